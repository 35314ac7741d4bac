"""API keys and logins, as identity needs them of a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from towpath_service.identity.domain.principals import Principal, StoredKey


class Keys(Protocol):
    """The credentials of one tenant: API keys, logins, and those that trusts stand for."""

    def find(self, key_id: str) -> tuple[StoredKey, Principal] | None:
        """A key and whose it is."""
        ...

    def of(self, principal_id: str) -> list[StoredKey]:
        """A principal's keys, newest first."""
        ...

    def add(self, key: StoredKey) -> bool:
        """Keeps a key; False when its public id is taken."""
        ...

    def change(self, key_id: str, **changes: int | str | None) -> None:
        """Sets columns of a key: expires_us, revoked_us, used_us, replaced_by."""
        ...

    def rotate(self, key: StoredKey, *, was: str) -> bool:
        """Writes which refresh tokens of a login hold; False when they have changed meanwhile.

        Args:
            key: The login with its digests as they are to be.
            was: Its digest as it was read.
        """
        ...

    def end_of_trust(self, trust_id: str, revoked_us: int) -> None:
        """Revokes all that came of a trust."""
        ...

    def forget_sign_ins(self, principal_id: str, ended_before_us: int) -> None:
        """Removes a principal's logins that ended before a time."""
        ...
