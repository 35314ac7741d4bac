"""The wiring of the identity layer of one service, on one screen.

It imports cryptography, which a service without identity does not need.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from towpath_service.identity.application.address_limits import AddressLimits
from towpath_service.identity.application.api_keys import ApiKeys
from towpath_service.identity.application.audit import AuditTrail
from towpath_service.identity.application.audit_start import start_audit_logs
from towpath_service.identity.application.authority import ISSUER, Authority
from towpath_service.identity.application.devices import Devices
from towpath_service.identity.application.federation import Federation
from towpath_service.identity.application.key_exchange import KeyExchange
from towpath_service.identity.application.members import Members
from towpath_service.identity.application.refused_exchanges import RefusedExchanges
from towpath_service.identity.application.server_keys import ServerKeys
from towpath_service.identity.application.sign_in import SignIns
from towpath_service.identity.application.tenants import Tenants
from towpath_service.identity.application.trusts import Trusts
from towpath_service.identity.issuers import FetchedKeys, Issuers
from towpath_service.identity.rpc.audit_handler import AuditHandler
from towpath_service.identity.rpc.auth_handler import AuthHandler
from towpath_service.identity.rpc.authenticating import TokenAuthenticator
from towpath_service.identity.rpc.guard import IdentityGuard
from towpath_service.identity.rpc.key_handler import KeyHandler
from towpath_service.identity.rpc.member_handler import MemberHandler
from towpath_service.identity.rpc.role_handler import RoleHandler
from towpath_service.identity.rpc.tenant_handler import TenantHandler
from towpath_service.identity.rpc.trust_handler import TrustHandler
from towpath_service.identity.rpc.usage_handler import UsageHandler
from towpath_service.identity.rpc.workspace_handler import WorkspaceHandler

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath_service.app.options import IdentityOptions
    from towpath_service.core.clock import Clock
    from towpath_service.core.tenant_limits import TenantLimits
    from towpath_service.identity.ports.runs import HeldLeases
    from towpath_service.identity.ports.sealing import Sealer
    from towpath_service.identity.ports.store import IdentityStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The authority, the authenticator, the guard and the handlers of identity."""

    authority: Authority
    refused_exchanges: RefusedExchanges
    authenticator: TokenAuthenticator
    guard: IdentityGuard
    trail: AuditTrail
    handlers: Sequence[Any]


async def open_identity(
    store: IdentityStore,
    clock: Clock,
    sealer: Sealer,
    held_leases: HeldLeases,
    tenant_limits: TenantLimits,
    options: IdentityOptions,
) -> Identity:
    """Wires the layer.

    Args:
        store: Holds tenants, principals, keys and the audit log.
        clock: The time.
        sealer: Opens the service's own keys.
        held_leases: Reads the leases of workers.
        tenant_limits: Counts what tenants use of their limits.
        options: The options of identity.

    Raises:
        ServiceError: As `Authority.open`.
    """
    server_keys = ServerKeys(store, sealer)
    authority = Authority(store, server_keys, clock, issuer=options.public_url or ISSUER)
    await authority.open()
    trail = await begin_trail(store, authority, server_keys)
    address_limits, refused_exchanges = AddressLimits(), RefusedExchanges(trail)
    keys = ApiKeys(store, authority, trail, clock, endless=options.endless_keys)
    members = Members(store, keys, trail, clock)
    tenants = Tenants(store, authority, trail, keys, clock)
    trusts = Trusts(store, trail, clock, private=options.private_issuers)
    issuers = Issuers(FetchedKeys())
    key_exchange = KeyExchange(store, authority, clock, refused_exchanges, tenant_limits)
    sign_ins = SignIns(store, authority, trail, clock, tenant_limits)
    federation = Federation(
        store, authority, trail, sign_ins, trusts, issuers, clock, tenant_limits
    )
    devices = Devices(store, authority, trail, sign_ins, clock, tenant_limits)
    credentials = (authority, key_exchange, sign_ins, federation, devices)
    return Identity(
        authority=authority,
        refused_exchanges=refused_exchanges,
        authenticator=TokenAuthenticator(
            authority, address_limits, behind_tls_proxy=options.behind_tls_proxy
        ),
        guard=IdentityGuard(tenant_limits, address_limits, trail),
        trail=trail,
        handlers=(
            AuthHandler(*credentials, held_leases, tenant_limits, address_limits),
            WorkspaceHandler(members),
            MemberHandler(members),
            KeyHandler(keys),
            TrustHandler(trusts),
            RoleHandler(members),
            AuditHandler(trail),
            UsageHandler(members, tenant_limits),
            TenantHandler(tenants),
        ),
    )


async def begin_trail(
    store: IdentityStore, authority: Authority, server_keys: ServerKeys
) -> AuditTrail:
    """The audit trail, once every log has the seal of its beginning."""
    trail = AuditTrail(store, authority)
    await start_audit_logs(store, server_keys, trail)
    return trail
