"""Sends inputs to runs."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

import uuid_utils
from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, to_json

from towpath._deploy.running import in_event_loop
from towpath._runs.context import current_run
from towpath._settings.current import settings_of_runs
from towpath.client import connect
from towpath.exceptions import DefinitionError, ServerUnreachable

if TYPE_CHECKING:
    from collections.abc import Mapping

SENDER: Final = "towpath.flow-run."
"""What a sender that is a flow run begins with; its id follows."""
_FLUSH_SECONDS: Final = 30.0
_AGAIN_SECONDS: Final = (0.5, 1.0, 2.0, 4.0)


def prefix_of(kind: Any) -> str:
    """The key prefix of inputs of a type.

    Args:
        kind: A Pydantic model or another type.

    Raises:
        DefinitionError: The type has no name, such as a union.
    """
    name: Any = getattr(kind, "__name__", None)
    if not isinstance(kind, type) and getattr(kind, "__origin__", None) is None:
        name = None
    if not isinstance(name, str) or name in {"Union", "Optional", "Literal", "Annotated"}:
        raise DefinitionError(
            f"{kind!r} has no name of its own: give a key_prefix, the same to sender and receiver"
        )
    return f"{name.lower()}-auto"


def send(run_input: Any, run_id: str, sender: str | None, key_prefix: str | None) -> Any:
    """Sends an input to a run; where an event loop runs in this thread, returns an awaitable.

    Args:
        run_input: A Pydantic model, or another value that Pydantic turns into JSON.
        run_id: The run that receives it.
        sender: Who sends it; None for the current flow run, if there is one.
        key_prefix: What kind of input it is; None for the name of its type.

    Raises:
        DefinitionError: The value has no form in JSON.
        RpcError: The service refuses, or is away.
    """
    message = {
        "key_prefix": prefix_of(run_input.__class__) if key_prefix is None else key_prefix,
        "sender": _current_sender() if sender is None else sender,
        "input_id": str(uuid_utils.uuid7()),
    }
    content = _to_json(run_input)
    if in_event_loop():
        return asyncio.to_thread(_send, str(run_id), content, message)
    return _send(str(run_id), content, message)


def run_of(sender: str) -> str:
    """The flow run that a sender is; empty when it is none."""
    return sender.removeprefix(SENDER) if sender.startswith(SENDER) else ""


def _current_sender() -> str:
    run = current_run.get()
    flow_run = None if run is None else run.flow_run
    return "" if flow_run is None else f"{SENDER}{flow_run.run_id}"


def _to_json(value: Any) -> str:
    try:
        if isinstance(value, BaseModel):
            return value.model_dump_json()
        return to_json({"value": value}).decode()
    except (PydanticSerializationError, ValueError) as error:
        raise DefinitionError(f"{value.__class__.__name__} can't be sent: {error}") from error


def _send(run_id: str, content: str, message: Mapping[str, str]) -> None:
    """Sends it; its id makes it safe to ask a service that was away once more."""
    run = current_run.get()
    if run is not None:
        # The service must know of the runs of this process.
        run.reporter.flush(_FLUSH_SECONDS)
    for seconds in (*_AGAIN_SECONDS, None):
        try:
            with connect(settings_of_runs(), own=True) as client:
                client.send_input(run_id, content, **message)
        except ServerUnreachable:
            if seconds is None:
                raise
            time.sleep(seconds)
        else:
            return
