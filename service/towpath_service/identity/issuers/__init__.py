"""Outbound calls of the service, to the token issuers that its tenants trust."""

from towpath_service.identity.issuers.fetching import fetch
from towpath_service.identity.issuers.issuer_keys import FetchedKeys
from towpath_service.identity.issuers.issuer_tokens import Issuers

__all__ = ["FetchedKeys", "Issuers", "fetch"]
