"""The input that a run waits for, of a person or of another run, as a Pydantic model."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar, cast

from pydantic import BaseModel, PrivateAttr, ValidationError, create_model

from towpath._deploy.receiving import InputReceiver, key_of
from towpath._deploy.sending import prefix_of, run_of, send
from towpath.exceptions import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from towpath.client import SentInput

T = TypeVar("T")

VALUE = "value"
"""Name of the one field of an input of a plain type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInputMetadata:
    """What is known of an input beside its fields."""

    key: str
    """Names the input among those of the run."""
    sender: str
    """Name of the sender, as the sender gives it; empty where none is given."""
    receiver: str
    """Id of the run that it was sent to."""
    created: datetime
    """When it was stored."""


class RunInput(BaseModel):
    """Input of a run, by name and type, for which one makes subclasses.

    Given as `wait_for_input`, the class says what a paused run waits for: a field without a default
    must be given when the run is resumed. Its instances are sent to runs, which receive them.
    """

    description: ClassVar[str] = ""
    """What is asked for, shown to those who may resume the run."""
    _metadata: RunInputMetadata | None = PrivateAttr(None)

    @property
    def metadata(self) -> RunInputMetadata | None:
        """The key and the sender of an input that was received; None for any other."""
        return self._metadata

    def send_to(
        self, flow_run_id: str, sender: str | None = None, key_prefix: str | None = None
    ) -> Any:
        """Sends this input to a flow run, as `send_input` does, which has the arguments."""
        return send(self, flow_run_id, sender, key_prefix)

    async def asend_to(self, flow_run_id: str, **options: Any) -> None:
        """Sends this input to a flow run, as `asend_input` does, which has the arguments."""
        await asend_input(self, flow_run_id, **options)

    def respond(
        self, run_input: Any, sender: str | None = None, key_prefix: str | None = None
    ) -> Any:
        """Sends an answer to the flow run that has sent this input.

        Args:
            run_input: The answer, as for `send_input`, which lists the errors, too.
            sender: As for `send_input`.
            key_prefix: As for `send_input`.

        Raises:
            DefinitionError: This input wasn't received, or no flow run has sent it.
        """
        return send(run_input, _sender_of(self._metadata), sender, key_prefix)

    async def arespond(self, run_input: Any, **options: Any) -> None:
        """Sends an answer without blocking the event loop; see `respond`."""
        await asend_input(run_input, _sender_of(self._metadata), **options)

    @classmethod
    def receive(
        cls,
        timeout: float | None = 3600,
        poll_interval: float | None = None,
        raise_timeout_error: bool = False,
        exclude_keys: Iterable[str] | None = None,
        key_prefix: str | None = None,
        flow_run_id: str | None = None,
    ) -> InputReceiver[Self]:
        """Receives inputs of this class, as `receive_input` does, which has the arguments."""
        del poll_interval
        return InputReceiver(
            partial(_read_model, cls),
            prefix_of(cls) if key_prefix is None else key_prefix,
            run_id=flow_run_id,
            timeout=timeout,
            raise_timeout_error=raise_timeout_error,
            exclude_keys=exclude_keys,
        )

    @classmethod
    def with_initial_data(cls, description: str | None = None, **initial: Any) -> type[Self]:
        """Returns this class with other defaults; the answer may give other values.

        Args:
            description: What is asked for, for people; None for none.
            **initial: Defaults by field.

        Raises:
            DefinitionError: There is no such field.
        """
        unknown = initial.keys() - cls.model_fields.keys()
        if unknown:
            raise DefinitionError(f"{cls.__name__} has no field {', '.join(sorted(unknown))}")
        fields: dict[str, Any] = {
            name: (cls.model_fields[name].annotation, value) for name, value in initial.items()
        }
        made = create_model(cls.__name__, __base__=cls, **fields)
        made.description = description or ""
        return made


class InputType:
    """What a pause waits for."""

    def __init__(self, wanted: Any, argument: str = "wait_for_input") -> None:
        """Takes the type.

        Args:
            wanted: A Pydantic model, or any type that Pydantic supports; None for no input.
            argument: The argument that it was given as, for errors.

        Raises:
            DefinitionError: Pydantic has no JSON Schema for it.
        """
        self._plain = not (isinstance(wanted, type) and issubclass(wanted, BaseModel))
        self._model: type[BaseModel] | None = None
        if wanted is None:
            return
        name: str = getattr(cast("Any", wanted), "__name__", "Input")
        fields: dict[str, Any] = {VALUE: (wanted, ...)}
        try:
            self._model = create_model(name, **fields) if self._plain else wanted
            self.schema()
        except Exception as error:
            raise DefinitionError(f"{argument}={wanted!r}: {error}") from error

    @property
    def description(self) -> str:
        """What is asked for, for people."""
        described = self._model is not None and issubclass(self._model, RunInput)
        return cast("type[RunInput]", self._model).description if described else ""

    def schema(self) -> str:
        """The JSON Schema of the input; empty for none."""
        return "" if self._model is None else json.dumps(self._model.model_json_schema())

    def read(self, text: str) -> Any:
        """Returns the input that a pause was answered with.

        Args:
            text: A JSON object; empty for an empty one.

        Raises:
            DefinitionError: It doesn't fit: the model has validators of its own that refuse it.
        """
        if self._model is None:
            return None
        try:
            found = self._model.model_validate_json(text or "{}")
        except ValidationError as error:
            raise DefinitionError(f"the input of the run doesn't fit: {error}") from error
        return getattr(found, VALUE) if self._plain else found


class AutomaticRunInput(RunInput):
    """An input of a plain type with its metadata, as `receive_input` gives it `with_metadata`."""

    value: Any
    """The value that was sent."""


def send_input(
    run_input: Any, flow_run_id: str, sender: str | None = None, key_prefix: str | None = None
) -> Any:
    """Sends an input to a flow run of the workspace that has not ended.

    Where an event loop runs in this thread, the call returns an awaitable, as `asend_input` does.

    Args:
        run_input: A `RunInput`, another Pydantic model, or a value that Pydantic turns into JSON,
            of at most 256 KiB.
        flow_run_id: Id of the run.
        sender: Who sends it; None for the current flow run, which then gets the answers of
            `RunInput.respond`.
        key_prefix: What kind of input it is, at most 200 characters; None for the name of its type.

    Raises:
        DefinitionError: The value has no form in JSON.
        NotFound: There is no such run.
        RpcError: The run has ended, has 10,000 inputs, or the service refuses for another reason.
    """
    return send(run_input, flow_run_id, sender, key_prefix)


async def asend_input(run_input: Any, flow_run_id: str, **options: Any) -> None:
    """Sends an input to a flow run without blocking the event loop.

    Args:
        run_input: As for `send_input`.
        flow_run_id: Id of the run.
        **options: As for `send_input`, which lists the errors, too.
    """
    await send(run_input, flow_run_id, options.pop("sender", None), options.pop("key_prefix", None))


def receive_input(
    input_type: type[T],
    timeout: float | None = 3600,
    poll_interval: float | None = None,
    raise_timeout_error: bool = False,
    exclude_keys: Iterable[str] | None = None,
    key_prefix: str | None = None,
    flow_run_id: str | None = None,
    with_metadata: bool = False,
) -> InputReceiver[T]:
    """Receives the inputs of a type that are sent to a flow run, from the first on.

    Inputs stay: another receiver, and another attempt of the run, get them again.

    Args:
        input_type: A `RunInput`, another Pydantic model, or a type such as `str`.
        timeout: Seconds to wait for each input; 0 to take what is there, None for no limit.
        poll_interval: Has no effect: the service sends an input at once.
        raise_timeout_error: Whether to raise TimeoutError after that, instead of ending the
            iteration.
        exclude_keys: Keys of inputs to leave out, as in `metadata.key`.
        key_prefix: The kind of inputs; None for the name of the type.
        flow_run_id: Id of the run; None for the current flow run.
        with_metadata: Whether a value of a plain type comes with its key and sender, as `value` of
            an input. A `RunInput` has them always.

    Returns:
        An iterator, with `for`, `async for`, `next()` and `anext()`.

    Raises:
        DefinitionError: Pydantic doesn't support the type, or it has no name.
        MissingContextError: It was called outside a flow, without `flow_run_id`.
    """
    wanted: Any = input_type
    read: Any = partial(_read_plain, InputType(wanted, "input_type"), with_metadata)
    if isinstance(wanted, type) and issubclass(wanted, RunInput):
        read = partial(_read_model, wanted)
    del poll_interval
    return InputReceiver(
        read,
        prefix_of(input_type) if key_prefix is None else key_prefix,
        run_id=flow_run_id,
        timeout=timeout,
        raise_timeout_error=raise_timeout_error,
        exclude_keys=exclude_keys,
    )


Model = TypeVar("Model", bound=RunInput)


def _read_model(kind: type[Model], sent: SentInput) -> Model:
    try:
        found = kind.model_validate_json(sent.content)
    except ValidationError as error:
        raise DefinitionError(f"the input {key_of(sent)} doesn't fit: {error}") from error
    return _noted(found, sent)


def _read_plain(kind: InputType, with_metadata: bool, sent: SentInput) -> Any:
    value = kind.read(sent.content)
    return _noted(AutomaticRunInput(value=value), sent) if with_metadata else value


def _noted(found: Model, sent: SentInput) -> Model:
    found._metadata = RunInputMetadata(  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        key=key_of(sent), sender=sent.sender, receiver=sent.run_id, created=sent.created
    )
    return found


def _sender_of(metadata: RunInputMetadata | None) -> str:
    if metadata is None:
        raise DefinitionError("only an input that was received can be answered")
    run_id = run_of(metadata.sender)
    if not run_id:
        named = metadata.sender
        why = f"its sender {named!r} is no flow run" if named else "it names no sender"
        raise DefinitionError(
            f"the input can't be answered: {why}. Call send_input with the id of a flow run"
        )
    return run_id
