"""Secrets of workspaces: set by people, used by runs.

A value is in plain text between the caller and the data key only; never in an error, a log line or
the audit log.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from uuid import uuid4

from towpath_service.core.errors import ServiceError, busy, not_found, outdated
from towpath_service.identity.domain.principals import exists
from towpath_service.values.application.data_keys import TRIES
from towpath_service.values.domain.secrets import (
    MOST_SECRETS,
    StoredDataKey,
    StoredSecret,
    check_value,
    parse_secret,
    too_many,
)

if TYPE_CHECKING:
    from towpath_auth import Caller, RunGrant

    from towpath_service.core.clock import Clock
    from towpath_service.values.application.data_keys import DataKeys
    from towpath_service.values.ports.secrets import Secrets, SecretStore


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretChange:
    """The change of a secret; None for a field that stays."""

    name: str
    value: bytes | None = field(default=None, repr=False)
    description: str | None = None
    etag: str = ""
    """The etag that the secret must still have; empty for any."""


class WorkspaceSecrets:
    """The secrets of all workspaces of one installation."""

    def __init__(self, store: SecretStore, keys: DataKeys, clock: Clock) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock

    async def create(
        self, caller: Caller, workspace_id: str, secret_id: str, value: bytes, description: str
    ) -> StoredSecret:
        """Makes a secret.

        Raises:
            ServiceError: RESOURCE_EXISTS, QUOTA_EXCEEDED, or as `DataKeys.in_force`.
        """
        check_value(value)
        now_us = self._clock.now_us()
        bare = StoredSecret(
            workspace_id=workspace_id,
            secret_id=secret_id,
            row_id=str(uuid4()),
            description=description,
            version=1,
            revision=1,
            key_id="",
            sealed="",
            setter=caller.principal,
            created_us=now_us,
            updated_us=now_us,
        )
        for _ in range(TRIES):
            made = await self._sealed(caller.tenant_id, bare, value)
            if await self._store.secrets(caller.tenant_id, lambda secrets: _add(secrets, made)):  # noqa: B023 - awaited here
                return made
        raise busy()

    async def get(self, caller: Caller, name: str) -> StoredSecret:
        """A secret, its value sealed; raises RESOURCE_NOT_FOUND."""
        asked = parse_secret(name)
        found = await self._store.secrets(caller.tenant_id, lambda secrets: secrets.secret(*asked))
        if found is None:
            raise not_found(name)
        return found

    async def secrets(self, caller: Caller, workspace_id: str) -> list[StoredSecret]:
        """The secrets of a workspace, by id, without even their sealed values."""
        return await self._store.secrets(
            caller.tenant_id, lambda secrets: secrets.secrets(workspace_id)
        )

    async def update(self, caller: Caller, change: SecretChange) -> StoredSecret:
        """Changes a secret; a new value is a new version.

        Raises:
            ServiceError: RESOURCE_NOT_FOUND, ETAG_MISMATCH, or as `DataKeys.in_force`.
        """
        parse_secret(change.name, "secret.name")
        if change.value is not None:
            check_value(change.value)
        for _ in range(TRIES):
            was = await self._unchanged(caller, change.name, change.etag)
            now = await self._changed(caller, was, change)
            if await self._store.secrets(
                caller.tenant_id,
                lambda secrets: _change(secrets, now, was),  # noqa: B023 - awaited here
            ):
                return now
        raise busy()

    async def delete(self, caller: Caller, name: str, etag: str) -> None:
        """Removes a secret with its value; raises RESOURCE_NOT_FOUND or ETAG_MISMATCH."""
        for _ in range(TRIES):
            was = await self._unchanged(caller, name, etag)
            if await self._store.secrets(caller.tenant_id, lambda secrets: secrets.remove(was)):  # noqa: B023 - awaited here
                return
        raise busy()

    async def use(self, caller: Caller, name: str) -> tuple[bytes, int]:
        """A secret's value and its version.

        Raises:
            ServiceError: RESOURCE_NOT_FOUND. For a run: STALE_ATTEMPT or LEASE_LOST: the caller is
                an earlier attempt; PERMISSION_MISSING: its deployment doesn't name the secret.
        """
        asked = parse_secret(name)

        def work(secrets: Secrets) -> tuple[StoredSecret, StoredDataKey] | None:
            if caller.run is not None:
                _check_run(secrets, caller.run, asked)
            return secrets.with_key(*asked)

        found = await self._store.secrets(caller.tenant_id, work)
        if found is None:
            raise not_found(name)
        secret, key = found
        return await self._keys.value(secret, key), secret.version

    async def _unchanged(self, caller: Caller, name: str, etag: str) -> StoredSecret:
        found = await self.get(caller, name)
        if etag and etag != found.etag:
            raise outdated(name)
        return found

    async def _changed(
        self, caller: Caller, was: StoredSecret, change: SecretChange
    ) -> StoredSecret:
        now = replace(
            was,
            description=was.description if change.description is None else change.description,
            revision=was.revision + 1,
            updated_us=self._clock.now_us(),
        )
        if change.value is None:
            return now
        now = replace(now, version=was.version + 1, setter=caller.principal)
        return await self._sealed(caller.tenant_id, now, change.value)

    async def _sealed(self, tenant_id: str, secret: StoredSecret, value: bytes) -> StoredSecret:
        key = await self._keys.in_force(tenant_id)
        sealed = key.sealer.seal(value, secret.place(tenant_id))
        return replace(secret, key_id=key.key_id, sealed=sealed)


def _check_run(secrets: Secrets, run: RunGrant, asked: tuple[str, str]) -> None:
    user = secrets.user(run.workspace_id, run.run_id)
    if user is None:
        return
    name = f"workspaces/{run.workspace_id}/runs/{run.run_id}"
    if run.attempt < user.attempt:
        raise ServiceError(
            reason="STALE_ATTEMPT",
            message=f"attempt {user.attempt} of {name} has begun: an earlier one has to stop its"
            " work",
            metadata={"run": name, "current_attempt": str(user.attempt)},
        )
    if run.fence < user.fence:
        raise ServiceError(
            reason="LEASE_LOST",
            message=f"the lease of {name} has passed to another worker: stop the work",
            metadata={"run": name, "current_fence": str(user.fence)},
        )
    if user.secrets is not None and asked[1] not in user.secrets:
        raise ServiceError(
            reason="PERMISSION_MISSING",
            message=f"the deployment of {name} doesn't name the secret {asked[1]}: add it to the"
            " deployment's secrets",
            metadata={"permission": "secret.use", "resource": "/secrets/".join(asked)},
        )


def _add(secrets: Secrets, made: StoredSecret) -> bool:
    """Makes a secret; False when its key has been retired meanwhile."""
    # Locks the tenant's writes of secrets from here on, so that the count is right.
    if not secrets.count_records(made.key_id, 1):
        return False
    if secrets.secret(made.workspace_id, made.secret_id) is not None:
        raise exists(made.name)
    if secrets.count(made.workspace_id) >= MOST_SECRETS:
        raise too_many(made.workspace_id)
    return secrets.add(made)


def _change(secrets: Secrets, now: StoredSecret, was: StoredSecret) -> bool:
    """Writes a changed secret; False when it, or its key, has changed meanwhile."""
    if now.sealed != was.sealed and not secrets.count_records(now.key_id, 1):
        return False
    return secrets.change(now, was)
