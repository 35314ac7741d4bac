"""Records the last output of a killed run as log lines of the run.

A process that is killed says nothing of it, so its worker sends what the shim has kept. The lines
have numbers of a producer whose id follows from the lease: the service takes each once, however
often a worker, or the next one, sends them.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

from towpath._delivery import messages
from towpath._delivery.drain import WRITE_LOGS
from towpath._delivery.reports import LogReport
from towpath._redaction.patterns import scrubbed
from towpath._work import proof

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath._transport.base import Transport
    from towpath._work.folders import Output
    from towpath._work.kinds.base import Handle
    from towpath._work.proof import RunEnd

LOGGER: Final = "towpath.output"
"""Logger of the lines."""
MOST_BYTES: Final = 64 * 1024
_INFO: Final = 9
_AT_ONCE: Final = 1000
_SAID: Final = frozenset(
    (
        *(proof.COMPLETED, proof.FAILED, proof.START_FAILED),
        *(proof.CANCELLED, proof.LEFT, proof.TIMED_OUT),
    )
)
"""Exit codes of a process whose end is in its own reports, or in those of the worker."""


def last_lines(handle: Handle, end: RunEnd) -> list[LogReport]:
    """Returns the last lines that a run wrote which was killed, or ended by an exit of its code.

    Args:
        handle: The run.
        end: How its process ended.

    Raises:
        OSError: What it wrote can't be read.
    """
    told = end.proof.exit_code in _SAID or end.proof.kind == "NEVER_STARTED"
    return [
        LogReport(
            run_id=handle.run_id,
            attempt=handle.attempt,
            time=end.proof.observed_time,
            severity=_INFO,
            logger=LOGGER,
            body=line,
        )
        for line in ([] if told else _lines(handle.output(MOST_BYTES)))
    ]


def _lines(output: Output) -> list[str]:
    """The lines of an output, without the part of a line that it begins with, and empty ones."""
    data = output.data
    if output.dropped_bytes:
        data = data.partition(b"\n")[2] or data
    # A credential may be on any of them.
    lines = data.decode(errors="replace").replace("\r\n", "\n").split("\n")
    return [scrubbed(line) for line in lines if line.strip()]


def record(transport: Transport, workspace: str, lease_id: str, lines: Sequence[LogReport]) -> None:
    """Sends lines, in order; the service takes each once.

    Args:
        transport: Transport to the service.
        workspace: Id of the workspace.
        lease_id: The lease under which they were written.
        lines: The lines.

    Raises:
        RpcError: The service didn't take them; they may be sent again.
    """
    producer_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"towpath:output:{lease_id}"))
    records = [messages.log_record(line, number) for number, line in enumerate(lines, 1)]
    for start in range(0, len(records), _AT_ONCE):
        request = messages.log_batch(
            f"workspaces/{workspace}", producer_id, records[start : start + _AT_ONCE]
        )
        transport.unary(WRITE_LOGS, request, timeout_seconds=30.0)
