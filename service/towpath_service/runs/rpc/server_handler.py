"""The handler of ServerService."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from towpath.api.v1 import server_service_pb2

from towpath_service.rpc.endpoints import MAX_MESSAGE_BYTES
from towpath_service.runs.domain.decisions import RULES
from towpath_service.runs.domain.states import TABLE, TERMINAL_STATES
from towpath_service.runs.rpc.convert_updates import MAX_INLINE_BYTES

if TYPE_CHECKING:
    from towpath_auth import Caller

MAX_BATCH_UPDATES: Final = 1000
FEATURES: Final = ("ingest.stream", "ingest.unary", "watch.runs", "watch.transitions", "logs.tail")


class ServerHandler:
    """Describes the server and its state machine."""

    service: ClassVar[str] = "towpath.api.v1.ServerService"

    def __init__(self, version: str) -> None:
        self._version = version

    async def get_server_info(
        self, request: server_service_pb2.GetServerInfoRequest, caller: Caller
    ) -> server_service_pb2.GetServerInfoResponse:
        """Returns the server's version, features and limits."""
        del request, caller
        answer = server_service_pb2.GetServerInfoResponse(
            version=self._version,
            features=FEATURES,
            limits=server_service_pb2.ServerLimits(
                max_message_bytes=MAX_MESSAGE_BYTES,
                max_inline_payload_bytes=MAX_INLINE_BYTES,
                max_batch_updates=MAX_BATCH_UPDATES,
                max_log_records=MAX_BATCH_UPDATES,
            ),
        )
        answer.server_time.GetCurrentTime()
        return answer

    async def get_transition_table(
        self, request: server_service_pb2.GetTransitionTableRequest, caller: Caller
    ) -> server_service_pb2.GetTransitionTableResponse:
        """Returns the transition table that the server applies."""
        del request, caller
        answer = server_service_pb2.GetTransitionTableResponse(
            rules=[
                server_service_pb2.DecisionRule(id=rule, description=description)
                for rule, description in RULES.items()
            ]
        )
        terminal: Any = sorted(int(state) for state in TERMINAL_STATES)
        answer.terminal_states.extend(terminal)
        for row in TABLE:
            from_state: Any = int(row.from_state or 0)
            to_state: Any = int(row.to_state)
            sources: Any = sorted(int(source) for source in row.sources)
            answer.transitions.append(
                server_service_pb2.AllowedTransition(
                    from_state=from_state,
                    to_state=to_state,
                    sources=sources,
                    required_reason=row.required_reason,
                    only_after_inferred=row.only_after_inferred,
                )
            )
        return answer
