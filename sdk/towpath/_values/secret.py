"""Secrets: values that runs use, and that are never shown or recorded."""

from __future__ import annotations

import asyncio
import os
from contextlib import closing
from typing import TYPE_CHECKING, ClassVar, Final, NoReturn, Self, cast

from towpath._runs.context import current_run
from towpath._settings.declared import STAND_IN_PREFIX
from towpath.exceptions import ConfigurationError, NotFound, NotSignedIn, RpcError

if TYPE_CHECKING:
    from towpath.api.v1 import secret_service_pb2

_METHOD: Final = "towpath.api.v1.SecretService/AccessSecret"
_SHOWN: Final = "***"


class Secret:
    """A value that the service keeps encrypted, and that is never shown.

    An environment variable `TOWPATH_SECRET_<NAME>` (upper case, dashes as underscores) replaces the
    service's value, for tests and for machines without a service. A secret can't be pickled, so it
    gets into no result and no cache: pass its name, and load it where you use it.
    """

    __slots__ = ("_name", "_value")
    __towpath_sensitive__: ClassVar = True
    """Keeps arguments passed as secrets out of messages."""

    def __init__(self, name: str, value: bytes) -> None:
        """Holds a value; see `load`."""
        self._name = name
        self._value = value

    @classmethod
    def load(cls, name: str) -> Self:
        """Loads a secret of the workspace that the settings name.

        Within a run, its value is removed from everything that is recorded or shown of the run.

        Args:
            name: The secret's id, "db-password".

        Returns:
            The secret with its current value.

        Raises:
            NotFound: There is no such secret.
            NotSignedIn: The caller may not read values; people never may.
            RpcError: The service can't be reached, or keeps no secrets.
            ConfigurationError: A setting is wrong.
        """
        written = os.environ.get(variable_of(name))
        try:
            value = os.fsencode(written) if written else _accessed(name)
        except RpcError as error:
            raise _explained(error, name) from error
        run = current_run.get()
        if run is not None:
            run.secrets.add(value)
        return cls(name, value)

    @classmethod
    async def aload(cls, name: str) -> Self:
        """Loads a secret without blocking the event loop; arguments and errors as in `load`."""
        return await asyncio.to_thread(cls.load, name)

    @property
    def name(self) -> str:
        """The secret's id."""
        return self._name

    def get(self) -> str:
        """Returns the value as text.

        Raises:
            ConfigurationError: The value isn't UTF-8 text.
        """
        try:
            return self._value.decode()
        except UnicodeDecodeError:
            # The original error would contain the value.
            pass
        raise ConfigurationError(f"the secret {self._name!r} is no text: use get_bytes()")

    def get_bytes(self) -> bytes:
        """Returns the value's bytes, as they were set."""
        return self._value

    def __repr__(self) -> str:
        return _SHOWN

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"the secret {self._name!r} isn't pickled: hand its name on, and load it where it is"
            " used"
        )


def variable_of(name: str) -> str:
    """Returns the name of the environment variable that replaces a secret's value."""
    return STAND_IN_PREFIX + name.upper().replace("-", "_")


def _accessed(name: str) -> bytes:
    # With a variable in the environment, none of this needs to load.
    from towpath._settings.current import settings_of_runs  # noqa: PLC0415 - loads parsers of files

    # Entry points, where the embedded service is found, take longest to load.
    from towpath._transport.service import open_for_code  # noqa: PLC0415 - loads entry points
    from towpath.api.v1 import secret_service_pb2 as pb  # noqa: PLC0415 - loads protobuf

    settings = settings_of_runs()
    request = pb.AccessSecretRequest(name=f"workspaces/{settings.workspace}/secrets/{name}")
    with closing(open_for_code(settings)) as transport:
        answer = transport.unary(_METHOD, request)
    return cast("secret_service_pb2.AccessSecretResponse", answer).value


def _explained(error: RpcError, name: str) -> RpcError:
    """Returns the same error with advice in its message."""
    instead = f"set {variable_of(name)}"
    if isinstance(error, NotFound):
        message = f"there is no secret {name!r}: `towpath secret create {name}` it, or {instead}"
    elif isinstance(error, NotSignedIn) and error.code == "PERMISSION_DENIED":
        message = (
            f"the secret {name!r} isn't yours to read: people never read values. Run this as a"
            f" service account with the role runner, or {instead}"
        )
    else:
        return error
    return type(error)(message, code=error.code, reason=error.reason, metadata=dict(error.metadata))
