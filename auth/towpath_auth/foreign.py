"""Other issuers of tokens: the trust that a tenant has in them, and the callers they name."""

from towpath_auth._errors import AddressBlocked, TrustRefused
from towpath_auth._foreign import ClaimRule, ToServiceAccount, ToUser, Trust, kubernetes_trust
from towpath_auth._foreign_keys import ForeignKey, UploadedKeys, keys_of
from towpath_auth._foreign_verifier import (
    ForeignIdentity,
    ForeignVerifier,
    KeySource,
    claimed_issuer,
)
from towpath_auth._outbound import checked_address

__all__ = [
    "AddressBlocked",
    "ClaimRule",
    "ForeignIdentity",
    "ForeignKey",
    "ForeignVerifier",
    "KeySource",
    "ToServiceAccount",
    "ToUser",
    "Trust",
    "TrustRefused",
    "UploadedKeys",
    "checked_address",
    "claimed_issuer",
    "keys_of",
    "kubernetes_trust",
]
