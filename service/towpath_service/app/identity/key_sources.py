"""The sources of a key-encryption key, as options of the server name them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, cast, get_args

if TYPE_CHECKING:
    from pathlib import Path

Kind = Literal["file", "env", "hook"]

_KINDS: Final = get_args(Kind)

KEY_VARIABLE: Final = "TOWPATH_SERVER_KEY_ENCRYPTION_KEY"
"""The variable that holds a key-encryption key in base64, where no file does."""


@dataclass(frozen=True, slots=True)
class KeySource:
    """The source of a key-encryption key; `str` writes it as options do, "file:new.key"."""

    kind: Kind
    name: str
    """The path of a file, or the name of an environment variable or of an entry point."""

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


def file_source(path: Path | None) -> KeySource | None:
    """The source for the path of a file; None for None."""
    return None if path is None else KeySource("file", str(path))


def parse_key_source(text: str) -> KeySource:
    """Reads a source.

    Args:
        text: file:PATH, env:NAME or hook:NAME.

    Raises:
        ValueError: The text names no source; the message says what would.
    """
    kind, _, name = text.partition(":")
    if kind not in _KINDS or not name:
        raise ValueError(
            f"{text!r} is no source of a key: write file:PATH, env:NAME for a variable, or"
            " hook:NAME for an entry point of towpath.key_encryption_key"
        )
    return KeySource(cast("Kind", kind), name)
