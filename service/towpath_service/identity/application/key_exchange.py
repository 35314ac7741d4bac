"""Exchanges API keys for access tokens, and records refused exchanges in the tenant's audit log.

A refused key whose public id belongs to a tenant gets an entry in that tenant's log. An unknown key
is only counted and logged: it belongs to no tenant.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from towpath_auth import CredentialRefused
from towpath_auth.credentials import parse_api_key

from towpath_service.core.errors import ServiceError
from towpath_service.identity.application.authority import check_standing, refused
from towpath_service.identity.application.refused_exchanges import Denied

if TYPE_CHECKING:
    from collections.abc import Collection

    from towpath_auth.credentials import ApiKey

    from towpath_service.core.clock import Clock
    from towpath_service.core.tenant_limits import TenantLimits
    from towpath_service.identity.application.authority import Authority, Exchanged
    from towpath_service.identity.application.refused_exchanges import RefusedExchanges
    from towpath_service.identity.domain.principals import StoredKey
    from towpath_service.identity.ports.store import Identity, IdentityStore, Standing

_USED_AGAIN_US: Final = 60_000_000
_MOST_REMEMBERED: Final = 10_000

_log = logging.getLogger(__name__)


class KeyExchange:
    """Makes access tokens from API keys."""

    def __init__(
        self,
        store: IdentityStore,
        authority: Authority,
        clock: Clock,
        refused_exchanges: RefusedExchanges,
        tenant_limits: TenantLimits,
    ) -> None:
        self._store = store
        self._authority = authority
        self._clock = clock
        self._refused_exchanges = refused_exchanges
        self._tenants: dict[str, str] = {}
        """By the public id of each key that was exchanged in this process."""
        self._tenant_limits = tenant_limits

    async def exchange(
        self, api_key: str, permissions: Collection[str], address: str = ""
    ) -> Exchanged:
        """Exchanges an API key for an access token.

        Args:
            api_key: The key.
            permissions: What the token is limited to; empty for all that the key gives.
            address: The address that the call comes from.

        Raises:
            ServiceError: CREDENTIAL_INVALID or _REVOKED, TENANT_SUSPENDED, or QUOTA_EXCEEDED.
        """
        try:
            key = parse_api_key(api_key)
        except CredentialRefused as error:
            raise refused(error) from error
        if key.kind not in {"user", "service_account"}:
            raise refused(CredentialRefused())
        tenant_id = self._tenants.get(key.key_id) or await self._tenant_of(key.key_id)
        if tenant_id is None:
            _log.info("an unknown key was sent from %s", address or "an unknown address")
            raise refused(CredentialRefused())
        now_us = self._clock.now_us()
        standing, proven = await self._store.tenant(
            tenant_id, lambda identity: self._looked_up(identity, key, now_us)
        )
        try:
            if standing is None or not proven:
                raise refused(CredentialRefused())
            check_standing(standing, now_us)
        except ServiceError as error:
            if standing is not None:
                await self._refused_exchanges.note(
                    _denied(standing, error, now_us, address, proven=proven)
                )
            raise
        self._tenant_limits.check_exchange(tenant_id)
        scopes = frozenset(permissions) if permissions else None
        return self._authority.issue(standing, now_us, scopes=scopes, address=address)

    async def _tenant_of(self, key_id: str) -> str | None:
        """The tenant of a key; read once, as it never changes."""
        tenant_id = await self._store.installation(
            lambda installation: installation.tenants.of_credential(key_id)
        )
        if tenant_id is not None:
            if len(self._tenants) >= _MOST_REMEMBERED:
                self._tenants.clear()
            self._tenants[key_id] = tenant_id
        return tenant_id

    def _looked_up(
        self, identity: Identity, key: ApiKey, now_us: int
    ) -> tuple[Standing | None, bool]:
        """The standing behind a key's public id, and whether the whole key is right."""
        standing = identity.standing(key.key_id)
        if standing is None:
            return None, False
        stored = standing.key
        proven = stored.kind == "api_key" and self._authority.ring.peppers.matches(
            key, stored.pepper_version, stored.digest
        )
        if proven and stored.holds(now_us) and (stored.used_us or 0) < now_us - _USED_AGAIN_US:
            identity.keys.change(key.key_id, used_us=now_us)
        return standing, proven


def _denied(
    standing: Standing, error: ServiceError, now_us: int, address: str, *, proven: bool
) -> Denied:
    key, principal = standing.key, standing.principal
    expired = proven and _has_expired(key, now_us)
    return Denied(
        tenant_id=standing.tenant.tenant_id,
        key_id=key.key_id,
        resource=f"{principal.name}/apiKeys/{key.key_id}",
        actor=principal.name if proven else "",
        # The caller learns only that the key is invalid; the tenant's log has the reason.
        reason="CREDENTIAL_EXPIRED" if expired else error.reason,
        address=address,
    )


def _has_expired(key: StoredKey, now_us: int) -> bool:
    return key.revoked_us is None and key.expires_us is not None and now_us >= key.expires_us
