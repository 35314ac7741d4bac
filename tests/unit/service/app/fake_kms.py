"""A key management service for tests: its keys are in this process, and it can be away."""

from __future__ import annotations

from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from towpath_auth.envelope import SealBroken

NONCE = b"n" * 12
trouble: list[Exception] = []
"""What each call fails with, while there is something in it."""
asked: list[str] = []


class Key:
    """What a hook gives."""

    def __init__(self, key_id: str, secret: bytes) -> None:
        self.key_id = key_id
        self._cipher = AESGCM(secret)

    def wrap(self, data_key: bytes, place: bytes) -> Any:
        _ask("wrap")
        return self._cipher.encrypt(NONCE, data_key, place)

    def unwrap(self, wrapped: bytes, place: bytes) -> Any:
        _ask("unwrap")
        try:
            return self._cipher.decrypt(NONCE, wrapped, place)
        except InvalidTag:
            raise SealBroken from None


def first() -> Key:
    return Key("kms-first", b"1" * 32)


def second() -> Key:
    return Key("kms-second", b"2" * 32)


def unusable() -> Key:
    return Key("projects/x", b"3" * 32)


def closed() -> Key:
    raise PermissionError("no credentials for kms.example.org")


def incomplete() -> object:
    return object()


class Odd(Key):
    """Gives what no key is."""

    def wrap(self, data_key: bytes, place: bytes) -> Any:
        return f"{data_key!r}{place!r}"

    def unwrap(self, wrapped: bytes, place: bytes) -> Any:
        return wrapped + place


def odd() -> Key:
    return Odd("odd", b"4" * 32)


def _ask(what: str) -> None:
    asked.append(what)
    for error in trouble:
        raise error
