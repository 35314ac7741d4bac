"""Protocols of flows and tasks for the engine; the decorators' classes implement them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from inspect import Signature

    from towpath._engine.policy import Policy
    from towpath._results.policy import ResultPolicy
    from towpath._runs.children import Waitable
    from towpath._runs.context import RunContext, Runner


class Definition(Protocol):
    """The common part of flows and tasks."""

    name: str
    tags: set[str]
    log_prints: bool | None
    """None: as the run around it."""
    policy: Policy
    result_policy: ResultPolicy

    def invoke(self, parameters: dict[str, Any]) -> Any:
        """Calls the function with its arguments by parameter."""
        ...


class FlowDefinition(Definition, Protocol):
    """A flow, as the engine runs it."""

    flow_id: str
    final_state: Literal["strict", "return_value"]

    @property
    def task_runner(self) -> Runner:
        """The runner of its tasks; each run gets a duplicate."""
        ...

    @property
    def code_version(self) -> str:
        """Its version, or a digest of its file; empty without either."""
        ...

    def run_name(self, parameters: dict[str, Any]) -> str | None:
        """The name of a run, if it is to have one of its own."""
        ...

    def roll_back_left(self, run: RunContext) -> None:
        """Rolls back what earlier attempts of a run have left within transactions."""
        ...

    def validated(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """The arguments of a call, converted as the annotations say, if the flow's options do.

        Raises:
            ParameterError: They don't fit.
        """
        ...


class TaskDefinition(Definition, Protocol):
    """A task, as the engine runs it."""

    task_key: str
    version: str | None
    awaited: bool
    """Whether `body` gives a coroutine."""

    @property
    def signature(self) -> Signature:
        """The signature of its function."""
        ...

    @property
    def names_runs(self) -> bool:
        """Whether runs have names of their own."""
        ...

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """The arguments of a call by parameter, defaults included.

        Raises:
            ParameterError: They don't fit.
        """
        ...

    def run_name(self, parameters: dict[str, Any]) -> str | None:
        """The name of a run, if it is to have one of its own."""
        ...

    def body(self, parameters: dict[str, Any]) -> Any:
        """Calls the function for its whole result: the list of what a generator gives."""
        ...

    def take_part(self, run: RunContext, around: Any, future: Waitable | None) -> None:
        """Makes a new run a part of the transaction around it, or of one of its own."""
        ...

    def without_hooks(self) -> TaskDefinition:
        """The task as another process needs it, which calls no hooks or conditions of it."""
        ...
