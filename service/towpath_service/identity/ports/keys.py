"""The port of API keys and logins, which identity's storage implements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from towpath_service.identity.domain.principals import Principal, StoredKey


class Keys(Protocol):
    """The credentials of one tenant: API keys, logins, and those of trusts."""

    def find(self, key_id: str) -> tuple[StoredKey, Principal] | None:
        """A key and its owner; None when there is no such key."""
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
        """Writes the refresh tokens of a login; False when they have changed meanwhile.

        Args:
            key: The login with its new digests.
            was: Its digest as it was read.
        """
        ...

    def end_of_trust(self, trust_id: str, revoked_us: int) -> None:
        """Revokes all credentials that a trust has made."""
        ...

    def forget_sign_ins(self, principal_id: str, ended_before_us: int) -> None:
        """Removes a principal's logins that ended before a time."""
        ...
