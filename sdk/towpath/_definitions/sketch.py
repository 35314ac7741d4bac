"""Sketches of flows: which tasks they call, and which depend on which, without running a task.

The flow's own code runs, and gets placeholders instead of results.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, NoReturn

from towpath._class_cache import class_of
from towpath.annotations import allow_failure, freeze, opaque, quote, unmapped
from towpath.exceptions import TowpathError

if TYPE_CHECKING:
    from collections.abc import Iterator

_MARKS: Final[frozenset[type[Any]]] = frozenset({allow_failure, freeze, opaque, quote, unmapped})


class SketchError(TowpathError):
    """A flow can't be sketched, since its code needs the result of a task."""


class Placeholder:
    """Stands for the result, the future or the state of a task that isn't run."""

    def __init__(self, task: str, node: int) -> None:
        self._task = task
        self.node = node

    def result(self, *_: Any, **__: Any) -> Placeholder:
        """Returns this placeholder, as the future of a result would return the result."""
        return self

    def wait(self, *_: Any, **__: Any) -> None:
        """Returns at once."""

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise self._refusal()

    def __iter__(self) -> NoReturn:
        raise self._refusal()

    def __bool__(self) -> bool:
        raise self._refusal()

    def __getitem__(self, _: object) -> NoReturn:
        raise self._refusal()

    def _refusal(self) -> SketchError:
        return SketchError(
            f"the flow's code needs the result of {self._task}: give the task an example of it with"
            " viz_return_value"
        )


class Sketch:
    """The tasks that a flow calls, and their dependencies."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._edges: dict[tuple[int, int], None] = {}
        self._examples: dict[int, tuple[Any, int]] = {}
        """The node by the id of the example that stands for its result, and the example."""

    def called(self, name: str, arguments: Any, example: Any) -> Any:
        """Notes a call of a task, and returns what stands for its result.

        Args:
            name: Name of the task.
            arguments: Its arguments.
            example: The example of its result; None for a placeholder.
        """
        node = len(self._names)
        self._names.append(name)
        for upstream in self._nodes_in(arguments):
            self._edges[upstream, node] = None
        if example is None:
            return Placeholder(name, node)
        self._examples[id(example)] = (example, node)
        return example

    def mermaid(self) -> str:
        """Returns the graph as a Mermaid flowchart."""
        counts: dict[str, int] = {}
        lines = ["graph TD"]
        for node, name in enumerate(self._names):
            number = counts[name] = counts.get(name, -1) + 1
            label = f"{name}[{number}]" if self._names.count(name) > 1 else name
            lines.append(f'    n{node}["{label.replace(chr(34), "#quot;")}"]')
        lines += [f"    n{one} --> n{other}" for one, other in self._edges]
        return "\n".join(lines)

    def _nodes_in(self, value: Any) -> Iterator[int]:
        if isinstance(value, Placeholder):
            yield value.node
        elif id(value) in self._examples:
            yield self._examples[id(value)][1]
        elif class_of(value) in _MARKS:
            yield from self._nodes_in(value.value)
        elif issubclass(class_of(value), dict):
            yield from self._nodes_in([*value.values()])
        elif issubclass(class_of(value), list | tuple | set):
            for each in value:
                yield from self._nodes_in(each)


current_sketch: ContextVar[Sketch | None] = ContextVar("towpath_sketch", default=None)


async def awaited_later(value: Any) -> Any:
    """What stands for the result of a task that is awaited."""
    return value
