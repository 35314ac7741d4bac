"""Makes, rotates and revokes API keys; used by the key handler and by the tenants."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from towpath_auth import LOCAL_TENANT_ID, PERMISSIONS
from towpath_auth.credentials import ApiKey, KeyKind, new_api_key

from towpath_service.core.errors import ServiceError, denied, invalid, not_found
from towpath_service.identity.application.rights import check_covers_roles, known_workspace
from towpath_service.identity.domain.principals import (
    KEY_LIFE_SECONDS,
    Principal,
    StoredKey,
    parse_key,
    parse_principal,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from towpath_auth import Caller

    from towpath_service.core.clock import Clock
    from towpath_service.identity.application.audit import AuditTrail
    from towpath_service.identity.application.authority import Authority
    from towpath_service.identity.ports.store import Identity, IdentityStore

MAX_LIFE_SECONDS: Final = 365 * 86_400.0
OVERLAP_SECONDS: Final = 86_400.0
MAX_OVERLAP_SECONDS: Final = 7 * 86_400.0
MOST_LIVE_KEYS: Final = 10
_SECOND: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key to be made."""

    parent: str
    """Name of the owning principal; empty for the caller."""
    display_name: str
    permissions: Collection[str]
    """Permissions that it is limited to; empty for no limit."""
    workspaces: Collection[str]
    """Names of the workspaces that it is limited to; empty for no limit."""
    life_seconds: float | None
    """How long it is valid; None for the default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeKey:
    """A key that was made, with the key itself."""

    key: ApiKey
    stored: StoredKey
    owner: Principal

    @property
    def name(self) -> str:
        """Its resource name."""
        return f"{self.owner.name}/apiKeys/{self.key.key_id}"


class ApiKeys:
    """The keys of one installation."""

    def __init__(
        self,
        store: IdentityStore,
        authority: Authority,
        trail: AuditTrail,
        clock: Clock,
        *,
        endless: bool = False,
    ) -> None:
        """Takes the store, the authority and the audit trail.

        Args:
            store: Keeps the keys.
            authority: Holds the peppers that keys are hashed under.
            trail: Records every change.
            clock: The time by which keys expire.
            endless: Whether the successor of a first tenant's key without an end has no end either.
        """
        self._endless = endless
        self._store = store
        self._trail = trail
        self._authority = authority
        self._clock = clock

    def add(
        self,
        identity: Identity,
        owner: Principal,
        *,
        created_by: str,
        display_name: str = "",
        scopes: frozenset[str] | None = None,
        workspaces: frozenset[str] | None = None,
        life_seconds: float | None = KEY_LIFE_SECONDS,
    ) -> MadeKey:
        """Makes a key within a transaction; a life of None has no end."""
        return self._add(
            identity,
            owner,
            StoredKey(
                key_id="",
                principal_id=owner.principal_id,
                display_name=display_name,
                digest="",
                pepper_version=0,
                scopes=scopes,
                workspaces=workspaces,
                created_by=created_by,
                created_us=self._clock.now_us(),
                expires_us=self._after(life_seconds),
            ),
        )

    async def create(self, caller: Caller, new: NewKey) -> MadeKey:
        """Makes a key for the caller, or for a principal with no more rights than the caller.

        Raises:
            ServiceError: RESOURCE_NOT_FOUND, PERMISSION_MISSING, QUOTA_EXCEEDED or INVALID_REQUEST.
        """
        life = _within(new.life_seconds, KEY_LIFE_SECONDS, MAX_LIFE_SECONDS, "life")
        unknown = sorted(set(new.permissions) - PERMISSIONS.keys())
        if unknown:
            raise invalid("limits.permissions", f"there is no permission {unknown[0]!r}")

        def work(identity: Identity) -> MadeKey:
            owner = self._owner(identity, caller, new.parent)
            limits = _limits(identity, caller, new)
            self._check_count(identity, owner)
            return self.add(
                identity,
                owner,
                created_by=caller.principal,
                display_name=new.display_name,
                scopes=limits[0],
                workspaces=limits[1],
                life_seconds=life,
            )

        return await self._trail.change(caller.tenant_id, work)

    async def keys(self, caller: Caller, parent: str) -> tuple[Principal, list[StoredKey]]:
        """A principal's keys: the caller's own, or any principal's with member.read.

        Raises:
            ServiceError: RESOURCE_NOT_FOUND or PERMISSION_MISSING.
        """

        def work(identity: Identity) -> tuple[Principal, list[StoredKey]]:
            owner = _own(identity, caller)
            if parent and parent != caller.principal:
                if "member.read" not in caller.access.tenant:
                    raise denied("member.read", "")
                owner = _named(identity, parent)
            return owner, identity.keys.of(owner.principal_id)

        return await self._store.tenant(caller.tenant_id, work)

    async def rotate(self, caller: Caller, name: str, overlap_seconds: float | None) -> MadeKey:
        """Makes a successor of a key; the key itself stays valid for the overlap.

        Raises:
            ServiceError: RESOURCE_NOT_FOUND: no such key, or the caller may not rotate it.
                RESOURCE_EXISTS: it has a successor. PERMISSION_MISSING or QUOTA_EXCEEDED: the
                caller couldn't make a key like it.
        """
        overlap = _within(overlap_seconds, OVERLAP_SECONDS, MAX_OVERLAP_SECONDS, "overlap")

        def work(identity: Identity) -> MadeKey:
            old, owner = self._changeable(identity, caller, name, {"key.own", "key.rotate"})
            self._check_successor(identity, caller, old, owner)
            now_us = self._clock.now_us()
            if old.kind != "api_key" or not old.holds(now_us):
                raise not_found(name)
            life_us = self._life_us(caller, old)
            made = self._add(
                identity,
                owner,
                replace(
                    old,
                    created_by=caller.principal,
                    created_us=now_us,
                    expires_us=None if life_us is None else now_us + life_us,
                    used_us=None,
                    replaced_by=None,
                ),
            )
            ends_us = now_us + int(overlap * _SECOND)
            identity.keys.change(
                old.key_id,
                expires_us=min(ends_us, old.expires_us or ends_us),
                replaced_by=made.key.key_id,
            )
            return made

        return await self._trail.change(caller.tenant_id, work)

    async def revoke(self, caller: Caller, name: str) -> tuple[StoredKey, Principal]:
        """Revokes a key at once; revoking it again changes nothing.

        Raises:
            ServiceError: RESOURCE_NOT_FOUND: no such key, or the caller may not revoke it.
        """

        def work(identity: Identity) -> tuple[StoredKey, Principal]:
            identity.tenant.touch()
            key, owner = self._changeable(
                identity, caller, name, {"key.own"}, anybodys="key.manage"
            )
            if key.revoked_us is None:
                key = replace(key, revoked_us=self._clock.now_us())
                identity.keys.change(key.key_id, revoked_us=key.revoked_us)
            return key, owner

        return await self._trail.change(caller.tenant_id, work)

    def _owner(self, identity: Identity, caller: Caller, parent: str) -> Principal:
        own = _own(identity, caller)
        if parent in {"", own.name}:
            if "key.own" not in caller.access.tenant:
                raise denied("key.own", "")
            return own
        kind, _ = parse_principal(parent, "parent")
        needed = "member.manage" if kind == "user" else "serviceaccount.manage"
        if needed not in caller.access.tenant:
            raise denied(needed, "")
        owner = _named(identity, parent)
        check_covers_roles(identity, caller, owner)
        return owner

    def _check_successor(
        self, identity: Identity, caller: Caller, old: StoredKey, owner: Principal
    ) -> None:
        """Refuses a successor that the caller couldn't make as a new key.

        A caller that came with this key may have one like it, within the limits of its token.
        """
        if old.replaced_by is not None:
            raise _replaced(old, owner)
        if owner.subject != _subject(caller):
            check_covers_roles(identity, caller, owner)
        _check_limits(identity, caller, old.scopes, old.workspaces)
        self._check_count(identity, owner, but=old.key_id)

    def _check_count(self, identity: Identity, owner: Principal, *, but: str = "") -> None:
        """Refuses a key beyond the owner's maximum; `but` is left out, as it is about to end."""
        now_us = self._clock.now_us()
        live = sum(
            key.kind == "api_key" and key.holds(now_us) and key.key_id != but
            for key in identity.keys.of(owner.principal_id)
        )
        if live >= MOST_LIVE_KEYS:
            raise _too_many(owner)

    def _changeable(
        self,
        identity: Identity,
        caller: Caller,
        name: str,
        own: set[str],
        *,
        anybodys: str = "",
    ) -> tuple[StoredKey, Principal]:
        found = identity.keys.find(parse_key(name, "name"))
        if found is not None:
            key, owner = found
            held = caller.access.tenant
            if owner.subject == _subject(caller) and held & own:
                return key, owner
            if owner.kind == "service_account" and "serviceaccount.manage" in held:
                return key, owner
            if anybodys in held:
                return key, owner
        raise not_found(name)

    def _add(self, identity: Identity, owner: Principal, stored: StoredKey) -> MadeKey:
        kind: KeyKind = owner.kind
        key = new_api_key(kind)
        version, digest = self._authority.ring.peppers.hash(key)
        stored = replace(stored, key_id=key.key_id, digest=digest, pepper_version=version)
        identity.keys.add(stored)
        return MadeKey(key=key, stored=stored, owner=owner)

    def _life_us(self, caller: Caller, old: StoredKey) -> int | None:
        """How long the successor of a key is valid: as long as the key itself was made for."""
        if old.expires_us is not None:
            return old.expires_us - old.created_us
        if self._endless and caller.tenant_id == LOCAL_TENANT_ID:
            return None
        return int(KEY_LIFE_SECONDS * _SECOND)

    def _after(self, life_seconds: float | None) -> int | None:
        if life_seconds is None:
            return None
        return self._clock.now_us() + int(life_seconds * _SECOND)


def _limits(
    identity: Identity, caller: Caller, new: NewKey
) -> tuple[frozenset[str] | None, frozenset[str] | None]:
    """The limits of a new key, at least those of the key that the caller came with."""
    scopes = frozenset(new.permissions) or None
    workspaces = (
        frozenset(known_workspace(identity, name, "limits.workspaces") for name in new.workspaces)
        or None
    )
    _check_limits(identity, caller, scopes, workspaces)
    return scopes, workspaces


def _check_limits(
    identity: Identity,
    caller: Caller,
    scopes: frozenset[str] | None,
    workspaces: frozenset[str] | None,
) -> None:
    """Refuses a key with wider limits than the caller's own credential."""
    found = identity.keys.find(caller.credential_id)
    assert found is not None
    own = found[0]
    token_scopes = caller.claims.scopes if caller.claims is not None else None
    for limit, asked, what in (
        (own.scopes, scopes, "permissions"),
        (token_scopes, scopes, "permissions"),
        (own.workspaces, workspaces, "workspaces"),
    ):
        if limit is not None and (asked is None or not asked <= limit):
            raise denied("key.own", f"more {what} than your own key allows")


def _own(identity: Identity, caller: Caller) -> Principal:
    found = identity.keys.find(caller.credential_id)
    if found is None or found[1].subject != _subject(caller):
        raise denied("key.own", "")
    return found[1]


def _subject(caller: Caller) -> str:
    return caller.claims.principal if caller.claims is not None else ""


def _named(identity: Identity, name: str) -> Principal:
    found = identity.principals.find(*parse_principal(name, "parent"))
    if found is None:
        raise not_found(name)
    return found


def _within(given: float | None, default: float, most: float, field_name: str) -> float:
    if given is None:
        return default
    if given > most:
        raise invalid(field_name, f"must be at most {int(most // 86_400)} days")
    return given


def _replaced(key: StoredKey, owner: Principal) -> ServiceError:
    successor = f"{owner.name}/apiKeys/{key.replaced_by}"
    return ServiceError(
        reason="RESOURCE_EXISTS",
        message=f"key {key.key_id} has a successor, {successor}: use that one, or make a new key",
        metadata={"resource": successor},
    )


def _too_many(owner: Principal) -> ServiceError:
    return ServiceError(
        reason="QUOTA_EXCEEDED",
        message=f"{owner.name} has {MOST_LIVE_KEYS} valid keys: revoke one first",
        metadata={"quota": "api_keys", "limit": str(MOST_LIVE_KEYS)},
    )
