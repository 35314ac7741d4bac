"""Data keys, which seal the values of one tenant's secrets; used by `WorkspaceSecrets`.

Each data key is itself sealed with the key-encryption key, which can change without a change of any
value. After `KEY_DAYS`, or `MOST_RECORDS`, new values are sealed with the next data key. Earlier
keys stay as long as any value is sealed with them. No transaction seals or opens anything, since
the key-encryption key may be in a remote service.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from towpath_service.core.errors import ServiceError, busy
from towpath_service.identity.domain.principals import place_of
from towpath_service.values.domain.secrets import StoredDataKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from towpath_service.core.clock import Clock
    from towpath_service.core.transactions import Transaction
    from towpath_service.identity.domain.principals import ServerKey
    from towpath_service.identity.ports.sealing import RecordSealer, Sealer, Sealing
    from towpath_service.values.domain.secrets import StoredSecret
    from towpath_service.values.ports.secrets import Secrets, SecretStore

BATCH: Final = 100
"""Number of values that are sealed anew in one transaction."""

MOST_OPEN: Final = 1000
TRIES: Final = 5
UNREACHABLE_SECONDS: Final = 5.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyInForce:
    """A data key that may seal."""

    key_id: str
    sealer: RecordSealer


class DataKeys:
    """The data keys of all tenants, for one process."""

    def __init__(
        self, store: SecretStore, sealing: Sealing, clock: Clock, *, operated_by_callers: bool
    ) -> None:
        """Takes the store and the sealing key; keys are opened on first use.

        Args:
            store: Keeps the data keys.
            sealing: Opens the key-encryption key.
            clock: The time by which keys are replaced.
            operated_by_callers: Whether callers also operate the service, so that errors may
                describe problems of its key.
        """
        self._store = store
        self._sealing = sealing
        self._clock = clock
        self._told = operated_by_callers
        self._sealer: Sealer | None = None
        self._open: dict[tuple[str, str], RecordSealer] = {}

    async def in_force(self, tenant_id: str) -> KeyInForce:
        """The key that seals a tenant's new values; it is made when there is none.

        Raises:
            ServiceError: FEATURE_DISABLED: there is no key-encryption key.
        """
        for _ in range(TRIES):
            keys = await self._keys(tenant_id)
            if keys and keys[0].seals(self._clock.now_us()):
                return KeyInForce(key_id=keys[0].key_id, sealer=await self.opened(keys[0]))
            await self._make(tenant_id, keys)
        raise busy()

    async def opened(self, key: StoredDataKey) -> RecordSealer:
        """An open data key.

        Raises:
            ServiceError: KEY_UNUSABLE, FEATURE_DISABLED, or OVERLOADED: the key-encryption key is
                remote, and can't be reached now.
        """
        named = (key.tenant_id, key.key_id)
        found = self._open.get(named)
        if found is None:
            found = await asyncio.to_thread(self._unsealed, key)
            if len(self._open) >= MOST_OPEN:
                self._open.clear()
            self._open[named] = found
        return found

    async def value(self, secret: StoredSecret, key: StoredDataKey) -> bytes:
        """The value of a secret that was sealed with a key; raises as `opened`."""
        sealer = await self.opened(key)
        try:
            return sealer.open(secret.sealed, secret.place(key.tenant_id))
        except ServiceError as error:
            raise self._fit(error) from error

    async def tenants(self) -> list[str]:
        """Ids of the tenants that have data keys."""
        keys = await self._store.data_keys(lambda kept: kept.data_keys())
        return list(dict.fromkeys(key.tenant_id for key in keys))

    async def rotate(self, tenant_id: str, told: Callable[[int], None]) -> int:
        """Seals all values of a tenant with a new key, and removes the earlier ones.

        Values can be read and written meanwhile. After an interruption, run it again.

        Args:
            tenant_id: The tenant.
            told: Is called with the number of values sealed anew so far.

        Returns:
            The number of values that were sealed anew.
        """
        await self._make(tenant_id, await self._keys(tenant_id))
        done = 0
        while moved := await self._move(tenant_id):
            done += moved
            told(done)
        await self._store.secrets(tenant_id, lambda secrets: secrets.remove_unused_data_keys())
        return done

    async def _move(self, tenant_id: str) -> int:
        """Seals some values anew; returns how many it found."""
        key = await self.in_force(tenant_id)
        found, keys = await self._store.secrets(
            tenant_id,
            lambda secrets: (secrets.of_other_keys(key.key_id, BATCH), secrets.data_keys()),
        )
        by_id = {stored.key_id: stored for stored in keys}
        pairs = [
            (await self._moved(tenant_id, secret, by_id[secret.key_id], key), secret)
            for secret in found
            if secret.key_id in by_id
        ]

        if found and not pairs:
            raise ServiceError(
                reason="KEY_UNUSABLE", message=f"the data key of {found[0].name} is gone"
            )

        def work(secrets: Secrets) -> None:
            if secrets.count_records(key.key_id, len(pairs)):
                # A value that has changed meanwhile is skipped; a later pass finds it if necessary.
                for now, was in pairs:
                    secrets.change(now, was)

        await self._store.secrets(tenant_id, work)
        return len(found)

    async def _moved(
        self, tenant_id: str, secret: StoredSecret, old: StoredDataKey, key: KeyInForce
    ) -> StoredSecret:
        value = await self.value(secret, old)
        sealed = key.sealer.seal(value, secret.place(tenant_id))
        return replace(secret, key_id=key.key_id, sealed=sealed)

    async def _keys(self, tenant_id: str) -> list[StoredDataKey]:
        return await self._store.secrets(tenant_id, lambda secrets: secrets.data_keys())

    async def _make(self, tenant_id: str, known: list[StoredDataKey]) -> None:
        """Makes a key, unless another call does at the same time."""
        witness = await self._store.secrets(tenant_id, lambda secrets: secrets.witness())
        key = await asyncio.to_thread(self._new, tenant_id, known, witness)

        def work(secrets: Secrets) -> None:
            if secrets.witness() != witness or _sealed(secrets.data_keys()) != _sealed(known):
                return
            secrets.add_data_key(key)
            secrets.retire_data_keys(key.key_id, key.created_us)

        await self._store.secrets(tenant_id, work)

    def _new(
        self, tenant_id: str, known: list[StoredDataKey], witness: ServerKey | None
    ) -> StoredDataKey:
        now_us = self._clock.now_us()
        if known:
            # In order, even if the clock has gone back.
            now_us = max(now_us, known[0].created_us + 1)
        key = StoredDataKey(
            tenant_id=tenant_id, key_id=uuid4().hex[:16], sealed="", created_us=now_us
        )
        try:
            sealer = self._sealed_by(make=not known)
            # A server that still runs with an earlier key-encryption key must not make data keys
            # that can't be opened once that key is destroyed.
            if known:
                sealer.open(known[0].sealed, known[0].place)
            if witness is not None:
                sealer.open(witness.sealed, place_of(witness))
            return replace(key, sealed=sealer.new_data_key(key.place))
        except ServiceError as error:
            raise self._fit(error) from error

    def _unsealed(self, key: StoredDataKey) -> RecordSealer:
        try:
            return self._sealed_by(make=False).data_key(key.sealed, key.place, key.key_id)
        except ServiceError as error:
            raise self._fit(error) from error

    def _sealed_by(self, *, make: bool) -> Sealer:
        if self._sealer is None:
            self._sealer = self._sealing(make=make)
        return self._sealer

    def _fit(self, error: ServiceError) -> ServiceError:
        if error.reason == "KEY_UNREACHABLE":
            _log.warning("%s", error.message)
            return ServiceError(
                reason="OVERLOADED",
                message="the key-encryption key can't be reached: try again",
                retry_after_seconds=UNREACHABLE_SECONDS,
            )
        if error.reason != "KEY_UNUSABLE" or not self._told:
            return error
        return ServiceError(
            reason="FEATURE_DISABLED", message=error.message, metadata={"feature": "secrets"}
        )


class DataKeyResealer:
    """Seals all data keys anew; the values that they seal stay unchanged."""

    def __init__(self, store: SecretStore) -> None:
        """Takes the store of the data keys."""
        self._store = store

    def __call__(self, transaction: Transaction, anew: Callable[[str, str], str], /) -> int:
        """Seals all data keys anew; see `Resealer`."""
        kept = self._store.data_keys_on(transaction)
        keys = kept.data_keys()
        for key in keys:
            kept.change_data_key(replace(key, sealed=anew(key.sealed, key.place)))
        return len(keys)


def _sealed(keys: list[StoredDataKey]) -> list[tuple[str, str]]:
    return [(key.key_id, key.sealed) for key in keys]
