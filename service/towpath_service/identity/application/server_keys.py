"""The service's own secrets: keys that sign tokens, and peppers for hashes of API keys.

A new signing key is published before it is used, and stays in use for verification until the last
token that it signed has expired. A rotation therefore refuses no valid token.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Literal

from towpath_auth.credentials import (
    LEEWAY_SECONDS,
    MAX_LIFE_SECONDS,
    Peppers,
    PublicKey,
    SigningKey,
    load_signing_key,
    new_pepper,
    new_signing_key,
)

from towpath_service.core.errors import ServiceError
from towpath_service.identity.domain.principals import ServerKey, place_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath_service.identity.ports.sealing import Resealer, Sealer
    from towpath_service.identity.ports.store import IdentityStore, Installation

Purpose = Literal["signing", "pepper", "audit"]

PUBLISHED_SECONDS: Final = 120.0
"""How long a signing key is published before it signs: replicas read every half minute."""

PEPPER_IDLE_SECONDS: Final = 3600
"""Shortest time that a replaced pepper is kept: replicas may be late."""

_AUDIT_ID: Final = "2"
"""Id of the audit key once each log has its sealed end; earlier versions had "1".

An attacker who can delete ends can't set the id back to "1" to have the ends made anew: the key is
sealed for the place that its id names.
"""

_SECOND: Final = 1_000_000
_OUTLIVES_SECONDS: Final = MAX_LIFE_SECONDS + LEEWAY_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """The secrets in use."""

    signing: SigningKey = field(repr=False)
    """Signs new tokens."""
    public: Sequence[PublicKey]
    """All keys whose tokens are accepted."""
    peppers: Peppers = field(repr=False)
    audit: bytes = field(repr=False)
    """Seals the ends of audit logs."""
    kept: Sequence[ServerKey] = field(repr=False)
    """All secrets as stored in the database, including those no longer used."""


class ServerKeys:
    """Keeps the secrets of one installation."""

    def __init__(self, store: IdentityStore, sealer: Sealer) -> None:
        self._store = store
        self._sealer = sealer
        self._content: dict[tuple[str, str], bytes] = {}

    async def make(self) -> bool:
        """Makes the first secrets; False when they exist already."""

        def work(installation: Installation) -> bool:
            if installation.server_keys.all():
                return False
            now_us = installation.now_us()
            installation.server_keys.add(self._pepper(1, now_us))
            installation.server_keys.add(self._signing(now_us, now_us))
            installation.server_keys.add(self._audit(new_pepper(), now_us))
            return True

        return await self._store.installation(work)

    async def ring(self) -> Ring:
        """Loads the secrets in use.

        Raises:
            ServiceError: IDENTITY_MISSING when there are none; KEY_UNUSABLE as `Sealer.open`.
        """
        kept, now_us = await self._store.installation(
            lambda installation: (installation.server_keys.all(), installation.now_us())
        )
        signing = [key for key in kept if key.purpose == "signing" and _verifies(key, now_us)]
        usable = [key for key in signing if key.used_from_us <= now_us]
        if not usable:
            raise ServiceError(
                reason="IDENTITY_MISSING",
                message="this database has no keys of its own: run `towpath server init-auth`",
            )
        # The sealing key may be remote; it is asked for new secrets only.
        self._content = await asyncio.to_thread(self._contents, kept)
        content = {place: opened for (place, _), opened in self._content.items()}
        loaded = {key.key_id: load_signing_key(content[place_of(key)]) for key in signing}
        peppers = [key for key in kept if key.purpose == "pepper"]
        return Ring(
            signing=loaded[max(usable, key=lambda key: key.used_from_us).key_id],
            public=[key.public for key in loaded.values()],
            peppers=Peppers(
                by_version={int(key.key_id): content[place_of(key)] for key in peppers},
                current=max(int(key.key_id) for key in peppers if key.used_from_us <= now_us),
            ),
            audit=next(content[place_of(key)] for key in kept if key.purpose == "audit"),
            kept=kept,
        )

    async def audit_logs_started(self) -> bool:
        """Whether each tenant's audit log has its sealed end."""
        kept = await self._store.installation(lambda installation: installation.server_keys.all())
        return all(key.key_id == _AUDIT_ID for key in kept if key.purpose == "audit")

    async def note_audit_logs_started(self) -> None:
        """Records permanently that each tenant's audit log has its sealed end."""

        def work(installation: Installation) -> None:
            for key in installation.server_keys.all():
                if key.purpose == "audit" and key.key_id != _AUDIT_ID:
                    installation.server_keys.remove(key)
                    installation.server_keys.add(self._audit(self._opened(key), key.created_us))

        await self._store.installation(work)

    async def rotate(self, *, published_seconds: float = PUBLISHED_SECONDS) -> str:
        """Makes the next signing key; the present one signs until the new one is published.

        Returns:
            Id of the new key.
        """

        def work(installation: Installation) -> str:
            now_us = installation.now_us()
            used_from_us = now_us + int(published_seconds * _SECOND)
            for key in installation.server_keys.all():
                if key.purpose != "signing":
                    continue
                if not _verifies(key, now_us):
                    installation.server_keys.remove(key)
                elif key.used_until_us is None:
                    installation.server_keys.change(replace(key, used_until_us=used_from_us))
            new = self._signing(now_us, used_from_us)
            installation.server_keys.add(new)
            return new.key_id

        return await self._store.installation(work)

    async def rotate_pepper(self, *, published_seconds: float = PUBLISHED_SECONDS) -> int:
        """Makes the next pepper, which hashes new API keys once all replicas know it.

        Existing keys stay hashed under their own pepper.

        Returns:
            Its version.
        """

        def work(installation: Installation) -> int:
            now_us = installation.now_us()
            used_from_us = now_us + int(published_seconds * _SECOND)
            known = _peppers(installation)
            for key in known:
                if key.used_until_us is None:
                    installation.server_keys.change(replace(key, used_until_us=used_from_us))
            version = 1 + max(int(key.key_id) for key in known)
            new = replace(self._pepper(version, now_us), used_from_us=used_from_us)
            installation.server_keys.add(new)
            return version

        return await self._store.installation(work)

    async def forget_peppers(self) -> list[int]:
        """Removes earlier peppers under which no valid credential was made.

        A used refresh token reveals theft however old it is. A pepper therefore stays while there
        is a valid login that is older than the end of the pepper's use.

        Returns:
            Their versions.
        """

        def work(installation: Installation) -> list[int]:
            now_us = installation.now_us()
            oldest_us = installation.server_keys.oldest_login_us(now_us)
            before_us = now_us if oldest_us is None else min(now_us, oldest_us)
            idle = [
                key
                for key in _peppers(installation)
                if key.used_until_us is not None
                and key.used_until_us + PEPPER_IDLE_SECONDS * _SECOND < before_us
            ]
            used = installation.server_keys.peppers_in_use(now_us) if idle else set[int]()
            free = [key for key in idle if int(key.key_id) not in used]
            for key in free:
                installation.server_keys.remove(key)
            return [int(key.key_id) for key in free]

        return await self._store.installation(work)

    async def seal_anew(self, sealer: Sealer, others: Sequence[Resealer] = ()) -> int:
        """Seals every secret with another key, all in one transaction.

        Args:
            sealer: Seals with the other key.
            others: Reseal the keys that other subjects have sealed with the present key.

        Returns:
            The number of keys that were sealed anew.
        """

        def anew(sealed: str, place: str) -> str:
            return sealer.seal(self._sealer.open(sealed, place), place)

        def work(installation: Installation) -> int:
            kept = installation.server_keys.all()
            for key in kept:
                sealed = anew(key.sealed, place_of(key))
                installation.server_keys.change(replace(key, sealed=sealed))
            # Read only now: a transaction that makes a data key locks a server key.
            return len(kept) + sum(reseal(installation.transaction, anew) for reseal in others)

        count = await self._store.installation(work)
        self._sealer = sealer
        return count

    def _contents(self, keys: Sequence[ServerKey]) -> dict[tuple[str, str], bytes]:
        named = {(place_of(key), key.sealed): key for key in keys}
        known = self._content
        return {name: known.get(name) or self._opened(key) for name, key in named.items()}

    def _opened(self, key: ServerKey) -> bytes:
        return self._sealer.open(key.sealed, place_of(key))

    def _signing(self, now_us: int, used_from_us: int) -> ServerKey:
        made = new_signing_key()
        return self._sealed("signing", made.kid, made.private_bytes, now_us, used_from_us)

    def _pepper(self, version: int, now_us: int) -> ServerKey:
        return self._sealed("pepper", str(version), new_pepper(), now_us, now_us)

    def _audit(self, content: bytes, now_us: int) -> ServerKey:
        return self._sealed("audit", _AUDIT_ID, content, now_us, now_us)

    def _sealed(
        self, purpose: Purpose, key_id: str, content: bytes, now_us: int, used_from_us: int
    ) -> ServerKey:
        key = ServerKey(
            purpose=purpose,
            key_id=key_id,
            sealed="",
            created_us=now_us,
            used_from_us=used_from_us,
        )
        return replace(key, sealed=self._sealer.seal(content, place_of(key)))


def _peppers(installation: Installation) -> list[ServerKey]:
    return [key for key in installation.server_keys.all() if key.purpose == "pepper"]


def _verifies(key: ServerKey, now_us: int) -> bool:
    until_us = key.used_until_us
    return until_us is None or now_us < until_us + _OUTLIVES_SECONDS * _SECOND
