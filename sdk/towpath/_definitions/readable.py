"""The options of flows and tasks as attributes, under the names that the decorators take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from towpath._engine.policy import Policy
    from towpath._results.policy import ResultPolicy


class ReadableOptions:
    """Reads options of a flow or task."""

    policy: Policy
    result_policy: ResultPolicy
    is_async: bool
    is_generator: bool
    is_async_generator: bool
    _options: dict[str, Any]

    @property
    def retries(self) -> int:
        """Number of retries; as the settings say where the option is not set."""
        given = self.policy.retries
        return self._default("retries") if given is None else given

    @property
    def retry_delay_seconds(self) -> Any:
        """Seconds before each retry, or a list of them; as the settings say where it is not set."""
        delays = self.policy.delays
        if delays is None:
            return self._default("retry_delay_seconds")
        if isinstance(self._options["retry_delay_seconds"], int | float):
            return self._options["retry_delay_seconds"]
        return list(delays) if delays else 0

    @property
    def retry_jitter_factor(self) -> float | None:
        """Largest part of a delay that is added to it at random."""
        return self.policy.jitter or None

    @property
    def retry_condition_fn(self) -> Callable[..., bool] | None:
        """The function that decides on retries."""
        return self.policy.condition

    @property
    def timeout_seconds(self) -> float | None:
        """Longest time for an attempt, seconds; None for no limit."""
        return self.policy.timeout_seconds

    @property
    def persist_result(self) -> bool | None:
        """Whether results are kept; None for as the run around it."""
        return self.result_policy.persist

    @property
    def isasync(self) -> bool:
        """Whether it is called in async code."""
        return self.is_async or self.is_async_generator

    @property
    def isgenerator(self) -> bool:
        """Whether its function is a generator, of either kind."""
        return self.is_generator or self.is_async_generator

    @property
    def on_completion_hooks(self) -> list[Callable[..., Any]]:
        """The hooks for runs that complete."""
        return self.policy.hooks.setdefault("on_completion", [])

    @property
    def on_failure_hooks(self) -> list[Callable[..., Any]]:
        """The hooks for runs that fail or time out."""
        return self.policy.hooks.setdefault("on_failure", [])

    @property
    def on_cancellation_hooks(self) -> list[Callable[..., Any]]:
        """The hooks for runs that are stopped before their end."""
        return self.policy.hooks.setdefault("on_cancellation", [])

    @property
    def on_crashed_hooks(self) -> list[Callable[..., Any]]:
        """The hooks for runs whose process ended."""
        return self.policy.hooks.setdefault("on_crashed", [])

    @property
    def on_running_hooks(self) -> list[Callable[..., Any]]:
        """The hooks for attempts that begin."""
        return self.policy.hooks.setdefault("on_running", [])

    def _default(self, option: str) -> Any:
        from towpath._settings.current import settings_of_runs  # noqa: PLC0415 - declarations need no settings

        kind = type(self).__name__.lower()
        return getattr(settings_of_runs(), f"{kind}_{option}")
