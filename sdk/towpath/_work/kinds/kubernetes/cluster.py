"""What the worker asks of a Kubernetes API server, and the errors that it answers with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

Object = dict[str, Any]
"""An object of the API, as JSON has it."""
Resource = Literal["jobs", "pods", "secrets"]

FORBIDDEN: Final = 403
NOT_FOUND: Final = 404
CONFLICT: Final = 409
GONE: Final = 410
_PASSING: Final = frozenset({0, 401, 429, 500, 502, 503, 504})
_VERB: Final = re.compile(r'cannot (\w+) resource "([\w./]+)"')


class ClusterError(Exception):
    """The API server refused a call, or didn't answer it.

    Attributes:
        code: HTTP status; 0 when there was no answer.
        reason: Reason of the server's Status, such as "AlreadyExists".
        retry_after_seconds: Time after which the server wants to be asked again; None if it
            didn't say.
    """

    def __init__(
        self, code: int, message: str, *, reason: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.retry_after_seconds = retry_after

    @property
    def may_pass(self) -> bool:
        """Whether the same call may succeed later, without a change of the cluster."""
        return self.code in _PASSING

    @property
    def missing_verb(self) -> str:
        """What the worker's role lacks, such as "list jobs"; empty if that isn't the error."""
        found = _VERB.search(str(self)) if self.code == FORBIDDEN else None
        return f"{found[1]} {found[2]}" if found else ""


class ClusterAway(OSError):
    """The API server can't be used now; another try later may succeed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """Objects at a version of the collection."""

    items: Sequence[Object]
    version: str


class Cluster(Protocol):
    """The calls of one namespace; each may raise ClusterError."""

    @property
    def namespace(self) -> str:
        """The namespace of all objects."""
        ...

    async def create(self, resource: Resource, item: Object) -> Object:
        """Creates an object, and returns it as the server keeps it."""
        ...

    async def get(self, resource: Resource, name: str) -> Object:
        """Returns an object."""
        ...

    async def list(self, resource: Resource, labels: str) -> Listed:
        """Returns the objects that a label selector finds."""
        ...

    def watch(
        self, resource: Resource, labels: str, version: str, timeout_seconds: int
    ) -> AsyncGenerator[tuple[str, Object]]:
        """Yields changes after a version, as type and object, until the server ends it."""
        ...

    async def patch(self, resource: Resource, name: str, change: Mapping[str, Any]) -> None:
        """Merges a change into an object."""
        ...

    async def delete(self, resource: Resource, name: str) -> None:
        """Deletes an object, in the foreground: it stays until what depends on it is gone."""
        ...

    def log(self, pod: str, container: str, *, since: str, follow: bool) -> AsyncGenerator[str]:
        """Yields the lines of a container's log, each after the time at which it was written.

        Args:
            pod: Name of the pod.
            container: Name of the container.
            since: Time from which on; empty for the whole log.
            follow: Whether to go on until the container ends.
        """
        ...

    async def close(self) -> None:
        """Closes the connections."""
        ...
