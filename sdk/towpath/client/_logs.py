"""Log lines of runs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from towpath.api.v1 import log_service_pb2 as pb
from towpath.api.v1 import run_service_pb2
from towpath.client import _convert_runs as convert
from towpath.client._calls import Subject
from towpath.client._watching import AGAIN_SECONDS, resumed_stream
from towpath.exceptions import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from towpath.client._run_values import LogLine

_SEVERITIES: Final = {"DEBUG": 5, "INFO": 9, "WARNING": 13, "ERROR": 17, "CRITICAL": 21}


class Logs(Subject):
    """Reads the log lines of runs; a `Client` has these methods itself."""

    def logs(self, run_id: str, *, level: str = "DEBUG") -> Iterator[LogLine]:
        """Lists the log lines of a run and of all runs below it, oldest first.

        Args:
            run_id: Full id of the run.
            level: Least serious level, as in `logging`.

        Returns:
            The lines, fetched page by page.

        Raises:
            InvalidRequest: There is no such level.
            NotFound: There is no such run.
        """
        least = _severity(level)
        request = pb.ListLogsRequest(
            parent=f"{self._parent}/runs/{run_id}",
            page_size=1000,
            include_descendants=True,
            filter=f"severity >= {least}" if least > _SEVERITIES["DEBUG"] else "",
        )
        for page in self._calls.pages("LogService/ListLogs", request, pb.ListLogsResponse):
            yield from map(convert.to_log_line, page.records)

    def tail(self, run_id: str, *, level: str = "DEBUG") -> Iterator[LogLine]:
        """Follows the log lines of a run and of all runs below it until the run has ended.

        Begins with up to 10,000 lines that are already there.

        Args:
            run_id: Full id of the run.
            level: Least serious level, as in `logging`.

        Returns:
            The lines as they come in.

        Raises:
            InvalidRequest: There is no such level.
            NotFound: There is no such run.
        """
        name = f"{self._parent}/runs/{run_id}"
        request = pb.TailLogsRequest(parent=name, include_descendants=True, tail_lines=10_000)
        least = _severity(level)
        while True:
            ended = self._has_ended(name)
            for answer in resumed_stream(
                self._calls, "LogService/TailLogs", request, pb.TailLogsResponse
            ):
                yield from (
                    convert.to_log_line(line) for line in answer.records if line.severity >= least
                )
                request.resume_token = answer.resume_token or request.resume_token
            # The service ends long streams, too: only one begun after the run's end has all lines.
            if ended:
                return
            time.sleep(AGAIN_SECONDS)

    def _has_ended(self, name: str) -> bool:
        request = run_service_pb2.GetRunRequest(name=name)
        answer = self._calls.unary("RunService/GetRun", request, run_service_pb2.GetRunResponse)
        return convert.to_state(answer.run.state).terminal


def _severity(level: str) -> int:
    try:
        return _SEVERITIES[level.upper()]
    except KeyError:
        raise InvalidRequest(
            f"there is no level {level!r}; there are {', '.join(_SEVERITIES)}",
            code="INVALID_ARGUMENT",
        ) from None
