"""The identity layer of one service, put together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from towpath_service.core.errors import ServiceError
from towpath_service.identity.application.address_limits import Strangers
from towpath_service.identity.application.api_keys import ApiKeys
from towpath_service.identity.application.audit import AuditTrail
from towpath_service.identity.application.audit_start import begin_logs
from towpath_service.identity.application.authority import ISSUER, Authority
from towpath_service.identity.application.devices import Devices
from towpath_service.identity.application.federation import Federation
from towpath_service.identity.application.key_exchange import Exchanges
from towpath_service.identity.application.members import Members
from towpath_service.identity.application.refused_exchanges import Denials
from towpath_service.identity.application.server_keys import ServerKeys
from towpath_service.identity.application.sign_in import SignIns
from towpath_service.identity.application.tenants import MadeTenant, Tenants
from towpath_service.identity.application.trusts import Trusts
from towpath_service.identity.domain.principals import parse_email
from towpath_service.identity.issuers import FetchedKeys, Issuers
from towpath_service.identity.rpc.access_handler import AccessHandler, TenantHandler
from towpath_service.identity.rpc.auth_handler import AuthHandler
from towpath_service.identity.rpc.authenticating import TokenAuthenticator
from towpath_service.identity.rpc.guard import IdentityGuard

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath_service.core.clock import Clock
    from towpath_service.core.tenant_limits import Admission
    from towpath_service.identity.ports.runs import CurrentAttempt
    from towpath_service.identity.ports.sealing import Sealer
    from towpath_service.identity.ports.store import IdentityStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who calls, and what surrounds each call."""

    authority: Authority
    denials: Denials
    authenticator: TokenAuthenticator
    guard: IdentityGuard
    handlers: Sequence[Any]


async def open_identity(
    store: IdentityStore,
    clock: Clock,
    sealer: Sealer,
    current_attempt: CurrentAttempt,
    admission: Admission,
    *,
    private_issuers: bool = False,
    endless_keys: bool = False,
    public_url: str | None = None,
    behind_proxy: bool = False,
) -> Identity:
    """Puts the layer together.

    Args:
        store: Where it is kept who is who.
        clock: The time.
        sealer: What keeps the service's keys.
        current_attempt: Reads which attempt of a run began last.
        admission: What counts what tenants use.
        private_issuers: Whether issuers may be on this machine and on private networks.
        endless_keys: Whether a key that never ends is followed by another such.
        public_url: `iss` of access tokens; None for one that is nobody's address.
        behind_proxy: Whether a proxy tells where calls come from.

    Raises:
        ServiceError: As `Authority.open`.
    """
    issuer = ISSUER if public_url is None else public_url
    server_keys = ServerKeys(store, sealer)
    authority = Authority(store, server_keys, clock, issuer=issuer)
    await authority.open()
    trail = await _begun_trail(store, authority, server_keys)
    keys = ApiKeys(store, authority, trail, clock, endless=endless_keys)
    trusts = Trusts(store, trail, clock, private=private_issuers)
    sign_ins = SignIns(store, authority, trail, clock, admission)
    issuers = Issuers(FetchedKeys())
    federation = Federation(store, authority, trail, sign_ins, trusts, issuers, clock, admission)
    devices = Devices(store, authority, trail, sign_ins, clock, admission)
    denials = Denials(trail)
    exchanges = Exchanges(store, authority, clock, denials, admission)
    strangers = Strangers()
    return Identity(
        authority=authority,
        denials=denials,
        authenticator=TokenAuthenticator(authority, strangers, behind_proxy=behind_proxy),
        guard=IdentityGuard(admission, strangers, trail),
        handlers=(
            AuthHandler(
                authority,
                exchanges,
                sign_ins,
                federation,
                devices,
                current_attempt,
                admission,
                strangers,
            ),
            AccessHandler(Members(store, keys, trail, clock), keys, trusts, trail, admission),
            TenantHandler(Tenants(store, authority, trail, keys, clock)),
        ),
    )


async def init_identity(
    store: IdentityStore, clock: Clock, sealer: Sealer, owner: str, *, key_seconds: float | None
) -> MadeTenant | None:
    """Makes the service's keys, the first tenant, its workspace, its owner and the owner's key.

    Args:
        store: An open store.
        clock: The time.
        sealer: What keeps the service's keys.
        owner: E-mail address of the owner.
        key_seconds: How long the first key holds; None for ever.

    Returns:
        The tenant with its owner; None when that was done before.

    Raises:
        ServiceError: As `Tenants.first`.
    """
    parse_email(owner, "owner")
    server_keys = ServerKeys(store, sealer)
    await server_keys.make()
    authority = Authority(store, server_keys, clock)
    await authority.open()
    tenants = _tenants(store, authority, AuditTrail(store, authority), clock)
    return await tenants.first(owner, key_seconds=key_seconds)


async def recover_owner(store: IdentityStore, clock: Clock, sealer: Sealer) -> MadeTenant:
    """Makes a key for an owner of the first tenant, for whoever has lost all of theirs.

    Raises:
        ServiceError: IDENTITY_MISSING: identity was never switched on.
    """
    server_keys = ServerKeys(store, sealer)
    authority = Authority(store, server_keys, clock)
    await authority.open()
    trail = await _begun_trail(store, authority, server_keys)
    made = await _tenants(store, authority, trail, clock).recover()
    if made is None:
        raise ServiceError(
            reason="IDENTITY_MISSING",
            message="nobody owns this installation yet: run `towpath server init-auth`",
        )
    return made


async def system_trail(store: IdentityStore, clock: Clock, server_keys: ServerKeys) -> AuditTrail:
    """What writes down what is done where the database is; raises as `Authority.open`."""
    authority = Authority(store, server_keys, clock)
    await authority.open()
    return await _begun_trail(store, authority, server_keys)


async def _begun_trail(
    store: IdentityStore, authority: Authority, server_keys: ServerKeys
) -> AuditTrail:
    trail = AuditTrail(store, authority)
    await begin_logs(store, server_keys, trail)
    return trail


def _tenants(
    store: IdentityStore, authority: Authority, trail: AuditTrail, clock: Clock
) -> Tenants:
    return Tenants(store, authority, trail, ApiKeys(store, authority, trail, clock), clock)
