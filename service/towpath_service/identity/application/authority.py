"""Identifies callers by their access tokens, and issues access tokens.

Invariants: a token is accepted only while the key that it was made from is valid. A right that is
taken away ends on every replica within `LOOK_SECONDS` plus one read, on open streams too. A call
with a token that was seen before makes no database query.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from towpath_auth import (
    RUN_PERMISSIONS,
    Access,
    Caller,
    CredentialRefused,
    Grant,
    access_of,
)
from towpath_auth.credentials import LEEWAY_SECONDS, AccessClaims, Verifier

from towpath_service.core.errors import ServiceError
from towpath_service.identity.application.rights import roles_by_id

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence

    from towpath_auth import RunGrant

    from towpath_service.core.clock import Clock
    from towpath_service.identity.application.server_keys import Ring, ServerKeys
    from towpath_service.identity.domain.principals import ServerKey
    from towpath_service.identity.ports.store import IdentityStore, Standing

ISSUER: Final = "https://towpath/installation"
"""`iss` of a service whose public address isn't configured."""
AUDIENCE: Final = "towpath-api"
TOKEN_SECONDS: Final = 600
LOOK_SECONDS: Final = 1.0
KEYS_SECONDS: Final = 30.0
PEPPERS_SECONDS: Final = 3600.0
# A change may be committed a while after its time was taken.
_OVERLAP_US: Final = 10_000_000
_SECOND: Final = 1_000_000
MOST_TOKENS: Final = 20_000
_CLIENTS: Final = {"api_key": "key", "sign_in": "login", "trust": "trust"}

_log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Seen:
    """A caller as it was read; stale once something about its tenant has changed."""

    caller: Caller
    until: float
    """When its token or its key ends: seconds since the Unix epoch."""
    good: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchanged:
    """An access token and its holder."""

    token: str = field(repr=False)
    expires_at: int
    """Seconds since the Unix epoch."""
    life_seconds: int
    caller: Caller


@dataclass(eq=False, slots=True)
class _Followed:
    claims: AccessClaims
    check: Callable[[Caller], None]
    end: Callable[[ServiceError], None]


class Authority:
    """Identifies callers and issues tokens, for one process."""

    def __init__(
        self,
        store: IdentityStore,
        keys: ServerKeys,
        clock: Clock,
        *,
        issuer: str = ISSUER,
        token_seconds: int = TOKEN_SECONDS,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        """Takes the store and the keys; `open` loads the secrets.

        Args:
            store: Keeps principals, keys and roles.
            keys: The secrets of the service.
            clock: The time by which tokens are issued and verified.
            issuer: `iss` of the tokens.
            token_seconds: Lifetime of a token.
            look_seconds: Pause between two reads of changes.
        """
        self._store = store
        self._keys = keys
        self._clock = clock
        self._token_seconds = token_seconds
        self._look_seconds = look_seconds
        self._verifier = Verifier(issuer=issuer, audience=AUDIENCE)
        self._ring: Ring | None = None
        self._seen: dict[str, Seen] = {}
        self._by_tenant: dict[str, list[Seen]] = {}
        self._followed: dict[str, set[_Followed]] = {}
        self._looked_us = 0
        self._kept: Sequence[ServerKey] = ()

    @property
    def issuer(self) -> str:
        """`iss` of the tokens that it issues."""
        return self._verifier.issuer

    @property
    def ring(self) -> Ring:
        """The secrets in use."""
        assert self._ring is not None
        return self._ring

    def jwks(self) -> list[dict[str, str]]:
        """The public keys of its tokens, as JSON Web Keys."""
        return [key.jwk for key in self.ring.public]

    async def open(self) -> None:
        """Loads the secrets.

        Raises:
            ServiceError: As `ServerKeys.ring`.
        """
        self._ring = await self._keys.ring()
        self._kept = self._ring.kept
        self._verifier.use(self._ring.public)

    async def run(self) -> None:
        """Reads changes periodically; never returns."""
        keys_at = time.monotonic() + KEYS_SECONDS
        peppers_at = time.monotonic()
        while True:
            await asyncio.sleep(self._look_seconds)
            await self.look()
            if time.monotonic() >= keys_at:
                keys_at = time.monotonic() + KEYS_SECONDS
                await self._renew()
            if time.monotonic() >= peppers_at:
                peppers_at = time.monotonic() + PEPPERS_SECONDS
                await self.forget_peppers()

    async def forget_peppers(self) -> None:
        """Removes peppers under which no credential is hashed any more."""
        for version in await self._keys.forget_peppers():
            _log.info("version %d of the pepper was unused, and is removed", version)

    async def look(self) -> None:
        """Forgets the callers of changed tenants, and loads new keys."""
        since_us = self._looked_us - _OVERLAP_US
        changed, self._looked_us, kept = await self._store.installation(
            lambda installation: (
                installation.tenants.changed_since(since_us),
                installation.now_us(),
                installation.server_keys.all(),
            )
        )
        # Stale rights must admit no call while the streams of other tenants are checked.
        for tenant_id in changed:
            self._doubt(tenant_id)
        await asyncio.gather(*map(self._judge, changed))
        if kept != self._kept:
            self._kept = kept
            await self._renew()

    async def _renew(self) -> None:
        """Loads the secrets; when that fails, keeps those it has, which are still valid."""
        try:
            await self.open()
        except ServiceError as error:
            _log.error("can't reload the server keys, continues with the old: %s", error.message)

    async def forget(self, tenant_id: str) -> None:
        """Reads the rights of all callers of a tenant anew, on open streams too."""
        self._doubt(tenant_id)
        await self._judge(tenant_id)

    def _doubt(self, tenant_id: str) -> None:
        """Makes the next call of each caller of a tenant read its rights anew."""
        for seen in self._by_tenant.pop(tenant_id, ()):
            seen.good = False

    async def _judge(self, tenant_id: str) -> None:
        """Ends the streams of a tenant whose callers have lost the right to them."""
        streams = list(self._followed.get(tenant_id, ()))
        if not streams:
            return
        credentials = {followed.claims.credential_id for followed in streams}
        try:
            # One read for all streams of the tenant, however many there are.
            found = await self._store.tenant(
                tenant_id,
                lambda identity: {each: identity.standing(each) for each in credentials},
            )
        except ServiceError as error:
            _end(streams, error)
            return
        for followed in streams:
            claims = followed.claims
            try:
                standing = self._holding(found[claims.credential_id])
                followed.check(_seen(standing, claims).caller)
            except ServiceError as error:
                _end([followed], error)

    async def caller(self, token: str, address: str = "") -> Caller:
        """The caller that a token belongs to.

        Raises:
            ServiceError: CREDENTIAL_INVALID, _EXPIRED or _REVOKED, or TENANT_SUSPENDED.
        """
        seen = self._seen.get(token)
        if seen is None or not seen.good or self._clock.now_us() >= seen.until * _SECOND:
            seen = await self._verified(token, address)
        if seen.caller.address == address:
            return seen.caller
        return replace(seen.caller, address=address)

    @contextmanager
    def follow(
        self,
        caller: Caller,
        check: Callable[[Caller], None],
        end: Callable[[ServiceError], None],
    ) -> Generator[None]:
        """Ends a stream when its caller loses the right to it.

        Args:
            caller: The caller that opened the stream.
            check: Raises ServiceError when the caller's rights don't permit the stream.
            end: Is called with the reason for its end.
        """
        followed = _Followed(_claims_of(caller), check, end)
        streams = self._followed.setdefault(caller.tenant_id, set())
        streams.add(followed)
        try:
            yield
        finally:
            streams.discard(followed)

    async def run_token(self, caller: Caller, run: RunGrant) -> Exchanged:
        """Makes a token for the process of one run, valid as long as its caller's key.

        Raises:
            ServiceError: CREDENTIAL_REVOKED when that key is no longer valid.
        """
        standing = await self._standing(caller.tenant_id, caller.credential_id)
        return self.issue(standing, self._clock.now_us(), run=run)

    def issue(
        self,
        standing: Standing,
        now_us: int,
        *,
        scopes: frozenset[str] | None = None,
        run: RunGrant | None = None,
        address: str = "",
        until: int | None = None,
    ) -> Exchanged:
        """Makes an access token for an authenticated principal.

        Args:
            standing: The principal, and the credential that it presented.
            now_us: The time.
            scopes: Permissions that it is limited to; None for all.
            run: The run that it is for; None for a token of the principal itself.
            address: The address that the call comes from.
            until: Latest end, seconds since the Unix epoch; None for no such limit.
        """
        now = now_us // _SECOND
        ends = [now + self._token_seconds]
        if standing.key.expires_us is not None:
            ends.append(standing.key.expires_us // _SECOND)
        if until is not None:
            ends.append(until)
        life = max(1, min(ends) - now)
        claims = AccessClaims(
            principal=standing.principal.subject if run is None else f"runs/{run.run_id}",
            tenant_id=standing.tenant.tenant_id,
            credential_id=standing.key.key_id,
            client_id=f"{_CLIENTS[standing.key.kind]}:{standing.key.key_id}",
            epoch=standing.principal.epoch,
            issued_at=now,
            expires_at=now + life,
            token_id=str(uuid4()),
            scopes=scopes,
            run=run,
        )
        token = self.ring.signing.sign(claims, issuer=self.issuer, audience=AUDIENCE)
        caller = replace(_caller(standing, claims), address=address)
        return Exchanged(
            token=token, expires_at=claims.expires_at, life_seconds=life, caller=caller
        )

    async def _verified(self, token: str, address: str) -> Seen:
        try:
            claims = self._verifier.verify(token, self._clock.now_us() / _SECOND)
        except CredentialRefused as error:
            raise refused(error) from error
        seen = _seen(await self._standing(claims.tenant_id, claims.credential_id), claims)
        seen.caller = replace(seen.caller, address=address)
        if len(self._seen) >= MOST_TOKENS:
            self._seen.clear()
            self._by_tenant.clear()
        self._seen[token] = seen
        self._by_tenant.setdefault(claims.tenant_id, []).append(seen)
        return seen

    async def _standing(self, tenant_id: str, credential_id: str) -> Standing:
        return self._holding(
            await self._store.tenant(tenant_id, lambda identity: identity.standing(credential_id))
        )

    def _holding(self, standing: Standing | None) -> Standing:
        if standing is None:
            raise refused(CredentialRefused("CREDENTIAL_REVOKED"))
        check_standing(standing, self._clock.now_us())
        return standing


def refused(error: CredentialRefused) -> ServiceError:
    """A refused credential as the error that its caller sees."""
    return ServiceError(reason=error.reason, message=str(error))


def check_standing(standing: Standing, now_us: int) -> None:
    """Refuses a credential that has ended, or whose tenant is suspended.

    Raises:
        ServiceError: CREDENTIAL_REVOKED or TENANT_SUSPENDED.
    """
    if not standing.key.holds(now_us):
        raise refused(CredentialRefused("CREDENTIAL_REVOKED"))
    if standing.tenant.suspended:
        raise ServiceError(
            reason="TENANT_SUSPENDED",
            message="the tenant is suspended: ask the operator of this service",
            metadata={"tenant": standing.tenant.name},
        )


def _seen(standing: Standing, claims: AccessClaims) -> Seen:
    """The caller that a token names, with its principal's present rights."""
    principal = standing.principal
    whose = claims.principal in {principal.subject, claims.run and f"runs/{claims.run.run_id}"}
    if not whose or claims.epoch != principal.epoch:
        raise refused(CredentialRefused("CREDENTIAL_REVOKED"))
    until = float(claims.expires_at + LEEWAY_SECONDS)
    if standing.key.expires_us is not None:
        until = min(until, standing.key.expires_us / _SECOND)
    return Seen(caller=_caller(standing, claims), until=until)


def _end(streams: Iterable[_Followed], error: ServiceError) -> None:
    if error.reason != "OVERLOADED":
        for followed in streams:
            followed.end(error)


def _caller(standing: Standing, claims: AccessClaims) -> Caller:
    principal, ends_us = standing.principal, standing.key.expires_us
    run = claims.run
    return Caller(
        tenant_id=claims.tenant_id,
        principal=principal.name if run is None else claims.principal,
        display_name=principal.display_name if run is None else "",
        credential_id=claims.credential_id,
        access=_access(standing, claims) if run is None else _access_of_run(standing, claims, run),
        workspaces=standing.workspaces,
        quotas=standing.tenant.quotas,
        expires_at=float(claims.expires_at),
        credential_ends_at=None if ends_us is None else ends_us / _SECOND,
        tenant=standing.tenant.name,
        tenant_display_name=standing.tenant.display_name,
        run=run,
        claims=claims,
    )


def _access(standing: Standing, claims: AccessClaims) -> Access:
    roles = roles_by_id(standing.roles)
    grants: Iterable[Grant] = (
        Grant(role=roles[binding.role_id], workspace_id=binding.workspace_id)
        for binding in standing.bindings
        if binding.role_id in roles
    )
    key = standing.key
    person = standing.principal.kind == "user"
    access = access_of(grants, scopes=key.scopes, only=key.workspaces, person=person)
    return access.limited(claims.scopes)


def _access_of_run(standing: Standing, claims: AccessClaims, run: RunGrant) -> Access:
    """The rights of a run: none once the principal that started it may start it no more."""
    starter = _access(standing, claims).in_workspace(run.workspace_id)
    if run.workspace_id not in standing.workspaces or "work.lease" not in starter:
        return Access()
    return Access(workspaces={run.workspace_id: RUN_PERMISSIONS})


def _claims_of(caller: Caller) -> AccessClaims:
    assert caller.claims is not None
    return caller.claims
