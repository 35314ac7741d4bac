"""Identity of issuers that are not ours: what is trusted of them, and who they say is calling."""

from towpath_auth._errors import AddressBlocked, TrustRefused
from towpath_auth._foreign import ClaimRule, ToServiceAccount, ToUser, Trust, kubernetes_trust
from towpath_auth._foreign_keys import ForeignKey, UploadedKeys, keys_of
from towpath_auth._foreign_verifier import (
    ForeignVerifier,
    Identity,
    KeySource,
    claimed_issuer,
)
from towpath_auth._outbound import checked_address

__all__ = [
    "AddressBlocked",
    "ClaimRule",
    "ForeignKey",
    "ForeignVerifier",
    "Identity",
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
