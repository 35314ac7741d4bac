"""Where the key comes from that secrets are sealed with, when it is first needed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from towpath_service.app.identity.key_sources import file_source
from towpath_service.core.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from towpath_service.identity.ports.sealing import Sealer, Sealing

KEY_FILE_VARIABLE: Final = "TOWPATH_SERVER_KEY_FILE"


def sealing_of(home: Path, key_file: Path | None, *, shared: bool) -> Sealing:
    """Seals with a key of the installation: a hook's, the environment's, or a file's.

    Args:
        home: The Towpath home.
        key_file: A file that was named; None for the usual.
        shared: Whether other servers may work on the same database: then a key in this home would
            be of no use to them, and none is made.
    """

    def sealing(*, make: bool) -> Sealer:
        from towpath_service.app.identity.sealing import sealer  # noqa: PLC0415 - brings cryptography

        try:
            return sealer(home, file_source(key_file), make=make and not shared)
        except ServiceError as error:
            if not (make and shared) or error.reason == "KEY_UNREACHABLE":
                raise
            raise _no_key(error.message) from error

    return sealing


def key_file_from_environment() -> Path | None:
    """The file that servers of this environment would be started with."""
    named = os.environ.get(KEY_FILE_VARIABLE)
    return Path(named) if named else None


def sealing_by(sealer: Callable[[], Sealer]) -> Sealing:
    """Seals with a key that is there already, such as identity's."""

    def sealing(*, make: bool) -> Sealer:
        del make
        return sealer()

    return sealing


def sealing_in_memory() -> Sealing:
    """Seals with a key that ends with this process, as its database does."""
    made: list[Sealer] = []

    def sealing(*, make: bool) -> Sealer:
        from towpath_service.app.identity.sealing import in_memory  # noqa: PLC0415 - brings cryptography

        del make
        if not made:
            made.append(in_memory())
        return made[0]

    return sealing


def without_key(*, make: bool) -> Sealer:
    """Seals nothing: for a service that was given no key."""
    del make
    raise _no_key("it was given none")


def _no_key(why: str) -> ServiceError:
    return ServiceError(
        reason="FEATURE_DISABLED",
        message=(
            f"this service has no key to seal secrets with ({why}): make one by `openssl rand"
            " -base64 32 > server.key; chmod 600 server.key`, and start every server on this"
            " database with --key-file server.key"
        ),
        metadata={"feature": "secrets"},
    )
