"""The port of directives: requests to producers about runs that they execute."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath_service.runs.ports.ingest import ProducerKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Directive:
    """A request about a run that a producer executes."""

    producer: ProducerKey
    """The producer that reported the run last."""
    run_id: str
    kind: int
    """Numbered as in the contract: 1 is CANCEL."""
    revision: int
    """Revision of the run that gave rise to it."""
    message: str
    grace_us: int | None
    """Time until the process is stopped, microseconds; None if nobody stops it."""


class DirectiveSource(Protocol):
    """Reads the directives that no report has answered yet."""

    async def __call__(self) -> Sequence[Directive]:
        """The directives of all tenants, for the producers of their runs.

        Raises:
            ServiceError: OVERLOADED, when the database is unavailable.
        """
        ...
