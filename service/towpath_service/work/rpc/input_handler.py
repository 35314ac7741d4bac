"""The handler of the rpcs of RunService that send and receive inputs of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from towpath.api.v1 import run_input_pb2
from towpath.api.v1 import run_service_pb2 as pb

from towpath_service.core.errors import invalid
from towpath_service.rpc.times import set_time, span_us
from towpath_service.runs.domain.inputs import RunInput
from towpath_service.runs.rpc.scopes import run_scope
from towpath_service.work.application.inputs import InputRequest

if TYPE_CHECKING:
    from towpath_auth import Caller

    from towpath_service.work.application.inputs import Inputs


class InputHandler:
    """Sends and receives inputs of runs."""

    service: ClassVar[str] = "towpath.api.v1.RunService"

    def __init__(self, inputs: Inputs) -> None:
        self._inputs = inputs

    async def send_run_input(
        self, request: pb.SendRunInputRequest, caller: Caller
    ) -> pb.SendRunInputResponse:
        """Sends an input to a run."""
        given = request.input
        new = RunInput(
            input_id=given.input_id,
            key_prefix=given.key_prefix,
            sender=given.sender,
            content=_content(given),
        )
        added = await self._inputs.send(_request(caller, request.name), new)
        return pb.SendRunInputResponse(input=_message(added))

    async def receive_run_inputs(
        self, request: pb.ReceiveRunInputsRequest, caller: Caller
    ) -> pb.ReceiveRunInputsResponse:
        """Waits for inputs of a run."""
        found = await self._inputs.receive(
            _request(caller, request.name),
            request.key_prefix,
            request.after_position,
            span_us(request.wait, "wait"),
        )
        state: Any = int(found.state)
        return pb.ReceiveRunInputsResponse(inputs=map(_message, found.inputs), state=state)


def _request(caller: Caller, name: str) -> InputRequest:
    scope, run_id = run_scope(caller, name, "name")
    within = "" if caller.run is None else caller.run.run_id
    return InputRequest(scope=scope, run_id=run_id, within=within)


def _content(given: run_input_pb2.RunInput) -> str:
    content = given.content
    if content.uri or content.content_type not in {"", "application/json"}:
        raise invalid("input.content", "must be JSON, given as `data`")
    try:
        return content.data.decode()
    except UnicodeDecodeError:
        raise invalid("input.content", "must be UTF-8") from None


def _message(item: RunInput) -> run_input_pb2.RunInput:
    made = run_input_pb2.RunInput(
        input_id=item.input_id,
        key_prefix=item.key_prefix,
        sender=item.sender,
        position=item.position,
    )
    made.content.content_type = "application/json"
    made.content.data = item.content.encode()
    made.content.size_bytes = len(made.content.data)
    set_time(made.create_time, item.created_us)
    return made
