"""The options for attempts of a run: retries, delays, timeout and hooks."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from towpath.states import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The options for attempts of a run."""

    retries: int | None = 0
    """None: as the settings say."""
    delays: tuple[float, ...] | None = ()
    """Seconds before each retry; the last one holds for all further ones. None: as for retries."""
    jitter: float = 0.0
    condition: Callable[[Any, Any, State[Any]], bool] | None = None
    timeout_seconds: float | None = None
    hooks: dict[str, list[Callable[..., Any]]] = field(default_factory=dict["str", "list[Any]"])

    @property
    def most_retries(self) -> int:
        """Number of retries; 0 where the settings are to say it."""
        return self.retries or 0

    def settled(self, retries: int, delay_seconds: float) -> Policy:
        """Returns the policy with defaults where its options say nothing.

        Args:
            retries: Default number of retries.
            delay_seconds: Default delay before each.
        """
        return replace(
            self,
            retries=retries if self.retries is None else self.retries,
            delays=(delay_seconds,) if self.delays is None else self.delays,
        )

    def delay(self, retry: int) -> float:
        """Seconds to wait before a retry, from 1."""
        if not self.delays:
            return 0.0
        delay = self.delays[min(retry, len(self.delays)) - 1]
        return delay * (1 + random.uniform(0, self.jitter)) if self.jitter else delay  # noqa: S311 - spreads load


def exponential_backoff(backoff_factor: float) -> Callable[[int], list[float]]:
    """Makes delays for `retry_delay_seconds` that double with each retry.

    Args:
        backoff_factor: Delay before the first retry, seconds.

    Returns:
        A function from the number of retries to their delays, seconds: 1, 2, 4, 8... times the
        factor, for at most 50 retries.
    """

    def delays(retries: int) -> list[float]:
        return [backoff_factor * max(0, 2**retry) for retry in range(min(retries, 50))]

    return delays
