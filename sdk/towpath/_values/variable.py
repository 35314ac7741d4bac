"""Variables: named JSON values of a workspace, for flows and people."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from towpath._frames import called_by_coroutine
from towpath._values.variable_json import value_as_json
from towpath.exceptions import NotFound, RpcError, VariableError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from towpath.api.v1 import variable_service_pb2

_SERVICE: Final = "towpath.api.v1.VariableService"
_NAME: Final = re.compile(r"[a-z0-9_][a-z0-9_-]{0,254}")


@dataclass(frozen=True, slots=True)
class Variable:
    """A named value of the workspace that the settings name.

    `get`, `set` and `unset` return awaitables within an `async def`; their twins `aget`, `aset` and
    `aunset` always do. Without a server, variables are kept in the home's database.

    Attributes:
        name: Its name.
        value: Its value.
        tags: Its tags.
    """

    name: str
    value: Any
    tags: tuple[str, ...] = ()

    @classmethod
    def get(cls, name: str, default: Any = None) -> Any:
        """Returns the value of a variable; within an `async def`, an awaitable of it.

        Args:
            name: Name of the variable.
            default: What to return if there is no such variable.

        Returns:
            The value: JSON's texts, numbers, booleans, None, lists and dicts.

        Raises:
            VariableError: It is no name of a variable.
            NotSignedIn: The caller may not read variables.
            RpcError: The service can't be reached, or refuses.
        """
        if called_by_coroutine():
            return cls.aget(name, default)
        return _get(name, default)

    @classmethod
    async def aget(cls, name: str, default: Any = None) -> Any:
        """Returns the value of a variable; arguments and errors as in `get`."""
        return await asyncio.to_thread(_get, name, default)

    @classmethod
    def set(
        cls, name: str, value: Any, tags: Iterable[str] | None = None, overwrite: bool = False
    ) -> Any:
        """Sets a variable; within an `async def`, returns an awaitable.

        Args:
            name: Name of the variable: 1 to 255 of a-z, 0-9, _ and -, without - at the beginning.
            value: Its value: JSON of at most 64 KiB. Tuples become lists, and keys of dicts texts.
            tags: Its tags, at most 64; None for none.
            overwrite: Replace value and tags of a variable that exists.

        Returns:
            The `Variable`, with the value as it is read back.

        Raises:
            VariableError: The name or the value can't be kept, or the variable exists and
                `overwrite` is false.
            NotSignedIn: The caller may not set variables.
            RpcError: The service can't be reached, or refuses.
        """
        if called_by_coroutine():
            return cls.aset(name, value, tags, overwrite)
        return _set(name, value, tags, overwrite)

    @classmethod
    async def aset(
        cls, name: str, value: Any, tags: Iterable[str] | None = None, overwrite: bool = False
    ) -> Variable:
        """Sets a variable; arguments, result and errors as in `set`."""
        return await asyncio.to_thread(_set, name, value, tags, overwrite)

    @classmethod
    def unset(cls, name: str) -> Any:
        """Deletes a variable; within an `async def`, returns an awaitable.

        Args:
            name: Name of the variable.

        Returns:
            Whether there was such a variable.

        Raises:
            VariableError: It is no name of a variable.
            NotSignedIn: The caller may not delete variables.
            RpcError: The service can't be reached, or refuses.
        """
        if called_by_coroutine():
            return cls.aunset(name)
        return _unset(name)

    @classmethod
    async def aunset(cls, name: str) -> bool:
        """Deletes a variable; arguments, result and errors as in `unset`."""
        return await asyncio.to_thread(_unset, name)


def _get(name: str, default: Any) -> Any:
    from towpath.api.v1 import variable_service_pb2 as pb  # noqa: PLC0415 - loads protobuf

    request = pb.GetVariableRequest()
    try:
        answer = _call("GetVariable", request, request, name)
    except NotFound:
        return default
    found = cast("variable_service_pb2.GetVariableResponse", answer)
    return json.loads(found.variable.value_json)


def _set(name: str, value: Any, tags: Iterable[str] | None, overwrite: bool) -> Variable:
    from towpath.api.v1 import variable_service_pb2 as pb  # noqa: PLC0415 - loads protobuf

    written, kept = value_as_json(name, value), tuple(tags or ())
    request: Any
    if overwrite:
        request = pb.UpdateVariableRequest(allow_missing=True)
        request.update_mask.paths[:] = ["value_json", "tags"]
    else:
        request = pb.CreateVariableRequest(variable_id=name)
    request.variable.value_json = written
    request.variable.tags[:] = kept
    method = "UpdateVariable" if overwrite else "CreateVariable"
    try:
        _call(method, request, request.variable if overwrite else request, name)
    except RpcError as error:
        if error.code != "ALREADY_EXISTS":
            raise
        raise VariableError(
            f"there is a variable {name!r} already: give overwrite=True to replace its value"
        ) from error
    return Variable(name, json.loads(written), kept)


def _unset(name: str) -> bool:
    from towpath.api.v1 import variable_service_pb2 as pb  # noqa: PLC0415 - loads protobuf

    request = pb.DeleteVariableRequest()
    try:
        _call("DeleteVariable", request, request, name)
    except NotFound:
        return False
    return True


def _call(method: str, request: Any, named: Any, name: str) -> Any:
    """Calls the service about a variable, whose name is written into a part of the request."""
    from towpath._settings.current import settings_of_runs  # noqa: PLC0415 - loads parsers of files

    # Entry points, where the embedded service is found, take longest to load.
    from towpath._transport.service import open_for_code  # noqa: PLC0415 - loads entry points

    if not _NAME.fullmatch(name):
        raise VariableError(
            f"{name!r} can't name a variable: names have 1 to 255 of a-z, 0-9, _ and -, without -"
            " at the beginning"
        )
    settings = settings_of_runs()
    parent = f"workspaces/{settings.workspace}"
    if hasattr(named, "parent"):
        named.parent = parent
    else:
        named.name = f"{parent}/variables/{name}"
    with closing(open_for_code(settings)) as transport:
        return transport.unary(f"{_SERVICE}/{method}", request)
