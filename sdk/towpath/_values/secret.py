"""Secrets: values that a run uses, and that nobody sees."""

from __future__ import annotations

import asyncio
import os
from contextlib import closing
from typing import TYPE_CHECKING, ClassVar, Final, NoReturn, Self, cast

from towpath._runs.context import current_run
from towpath._settings.declared import STAND_IN_PREFIX
from towpath._transport.discovery import find_server
from towpath.exceptions import ConfigurationError, NotFound, NotSignedIn, RpcError

if TYPE_CHECKING:
    from towpath._settings.declared import Settings
    from towpath._transport.base import Transport
    from towpath.api.v1 import secret_service_pb2

_METHOD: Final = "towpath.api.v1.SecretService/AccessSecret"
_SHOWN: Final = "***"
_PID: Final = os.getpid()


class Secret:
    """A value that is kept encrypted by the service, and shown nowhere.

    A variable `TOWPATH_SECRET_<NAME>` in the environment, upper case with dashes as underscores,
    stands in for the service: for tests, and for laptops without one. It is not pickled, so that it
    ends up in no result and no cache: hand its name on, and load it where it is used.
    """

    __slots__ = ("_name", "_value")
    __towpath_sensitive__: ClassVar = True
    """Keeps whatever is passed for a secret out of messages."""

    def __init__(self, name: str, value: bytes) -> None:
        """Holds a value; see `load`."""
        self._name = name
        self._value = value

    @classmethod
    def load(cls, name: str) -> Self:
        """Loads a secret of the workspace in force.

        Within a run, its value is kept out of what is recorded and shown of the run.

        Args:
            name: Its id, "db-password".

        Raises:
            NotFound: There is no such secret.
            NotSignedIn: Whoever calls may not read values; people never may.
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
        """Loads a secret while the event loop goes on; raises as `load`."""
        return await asyncio.to_thread(cls.load, name)

    @property
    def name(self) -> str:
        """Its id."""
        return self._name

    def get(self) -> str:
        """The value, as text.

        Raises:
            ConfigurationError: It is no text in UTF-8.
        """
        try:
            return self._value.decode()
        except UnicodeDecodeError:
            # That error would hold the value.
            pass
        raise ConfigurationError(f"the secret {self._name!r} is no text: use get_bytes()")

    def get_bytes(self) -> bytes:
        """The value, as it was set."""
        return self._value

    def __repr__(self) -> str:
        return _SHOWN

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"the secret {self._name!r} isn't pickled: hand its name on, and load it where it is"
            " used"
        )


def variable_of(name: str) -> str:
    """The variable of the environment that stands in for a secret."""
    return STAND_IN_PREFIX + name.upper().replace("-", "_")


def _accessed(name: str) -> bytes:
    # A variable in the environment stands in for all of this, without the time that it takes.
    from towpath._settings.current import get_settings  # noqa: PLC0415 - loads parsers of files
    from towpath.api.v1 import secret_service_pb2 as pb  # noqa: PLC0415 - loads protobuf

    settings = get_settings()
    request = pb.AccessSecretRequest(name=f"workspaces/{settings.workspace}/secrets/{name}")
    with closing(_opened(settings)) as transport:
        answer = transport.unary(_METHOD, request)
    return cast("secret_service_pb2.AccessSecretResponse", answer).value


def _opened(settings: Settings) -> Transport:
    if os.getpid() != _PID:
        # gRPC can't go into a forked child.
        found = find_server(settings.home)
        web_address = settings.server_web_address or (found.web if found else "")
        if web_address:
            from towpath._transport.opening import open_connect  # noqa: PLC0415 - loads ssl

            return open_connect(settings, web_address)
    # Entry points, where the embedded service is found, take longest to load.
    from towpath._transport.service import open_transport  # noqa: PLC0415 - loads entry points

    return open_transport(settings)


def _explained(error: RpcError, name: str) -> RpcError:
    """The same error, saying what to do."""
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
