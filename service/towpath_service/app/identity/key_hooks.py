"""Hooks: packages that bring a key-encryption key, for example of a key management service.

An entry point of the group `HOOK` is called without arguments, and returns a `KeyEncryptionKey` of
`towpath_auth.envelope`: `key_id`, `wrap` and `unwrap`. `unwrap` raises `SealBroken` for a record of
another key or place; every other error is shown to the operator of the service.
"""

from __future__ import annotations

import re
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Final

from towpath_auth.envelope import KEY_BYTES, SealBroken

from towpath_service.core.errors import ServiceError

if TYPE_CHECKING:
    from towpath_auth.envelope import KeyEncryptionKey

HOOK: Final = "towpath.key_encryption_key"
"""The group of entry points that make a key-encryption key."""

_KEY_ID: Final = re.compile(r"[A-Za-z0-9-]{1,128}")


def hook_names() -> list[str]:
    """The names of the installed hooks, in order."""
    return sorted(found.name for found in entry_points(group=HOOK))


class HookKey:
    """The key of a hook. Its errors become a ServiceError that names the hook."""

    def __init__(self, name: str, key: KeyEncryptionKey) -> None:
        """Wraps the key.

        Args:
            name: The name of the hook.
            key: The key that it made.

        Raises:
            ServiceError: KEY_UNUSABLE, its id doesn't fit into records.
        """
        self._name = name
        self._key = key
        self.key_id = str(key.key_id)
        if _KEY_ID.fullmatch(self.key_id) is None:
            raise _wrong(name, "its key_id must be 1 to 128 letters, digits and hyphens")

    def wrap(self, data_key: bytes, place: bytes) -> bytes:
        """Encrypts a data key for a place; raises KEY_UNREACHABLE."""
        try:
            wrapped: Any = self._key.wrap(data_key, place)
        except Exception as error:
            raise _unreachable(self._name, error) from error
        if not isinstance(wrapped, bytes):
            raise _wrong(self._name, "its wrap must return bytes")
        return wrapped

    def unwrap(self, wrapped: bytes, place: bytes) -> bytes:
        """Decrypts a data key; raises SealBroken, or KEY_UNREACHABLE."""
        try:
            data_key: Any = self._key.unwrap(wrapped, place)
        except SealBroken:
            raise
        except Exception as error:
            raise _unreachable(self._name, error) from error
        if not isinstance(data_key, bytes) or len(data_key) != KEY_BYTES:
            raise _wrong(
                self._name, f"its unwrap must return the {KEY_BYTES} bytes that it wrapped"
            )
        return data_key


def hook_key(name: str) -> HookKey:
    """Loads the key of a hook.

    Args:
        name: The name of the entry point.

    Raises:
        ServiceError: KEY_UNUSABLE, there is no such hook or its key lacks a member;
            KEY_UNREACHABLE, the hook can't reach its key.
    """
    for hook in entry_points(group=HOOK, name=name):
        try:
            key = hook.load()()
        except Exception as error:
            raise _unreachable(name, error) from error
        missing = [each for each in ("key_id", "wrap", "unwrap") if not hasattr(key, each)]
        if missing:
            raise _wrong(name, f"it has no {missing[0]}")
        return HookKey(name, key)
    known = ", ".join(hook_names()) or "none"
    raise ServiceError(
        reason="KEY_UNUSABLE",
        message=(
            f"there is no entry point {name!r} in the group {HOOK} ({known} installed): install the"
            " package that brings it"
        ),
    )


def _unreachable(name: str, error: Exception) -> ServiceError:
    return ServiceError(
        reason="KEY_UNREACHABLE",
        message=(
            f"the key-encryption key of the hook {name!r} couldn't be used"
            f" ({type(error).__name__}: {error}): see that its key management service answers and"
            " lets this machine use the key, then try again"
        ),
    )


def _wrong(name: str, what: str) -> ServiceError:
    return ServiceError(
        reason="KEY_UNUSABLE",
        message=f"the hook {name!r} of the group {HOOK} can't be used: {what}",
    )
