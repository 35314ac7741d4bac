"""What tasks have for transactions: hooks, and their part in the transaction around a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from towpath._engine.policy import Policy
    from towpath._runs.children import Waitable
    from towpath._runs.context import RunContext

H = TypeVar("H", bound="Callable[..., Any]")


class Transactional:
    """The part of a task that belongs to transactions."""

    policy: Policy

    def on_commit(self, hook: H) -> H:
        """Decorates a function to be called when what a run has done is committed.

        Args:
            hook: Takes the transaction of the run, whose `get` gives values that were `set`.
        """
        self.on_commit_hooks.append(hook)
        return hook

    def on_rollback(self, hook: H) -> H:
        """Decorates a function to be called when what a run has done is to be undone.

        Args:
            hook: Takes the transaction of the run, whose `get` gives values that were `set`.
        """
        self.on_rollback_hooks.append(hook)
        return hook

    @property
    def on_commit_hooks(self) -> list[Callable[..., Any]]:
        """The hooks for runs that are committed."""
        return self.policy.hooks.setdefault("on_commit", [])

    @property
    def on_rollback_hooks(self) -> list[Callable[..., Any]]:
        """The hooks for runs that are rolled back."""
        return self.policy.hooks.setdefault("on_rollback", [])

    def take_part(self, run: RunContext, around: Any, future: Waitable | None) -> None:
        """Makes a new run a part of the transaction around it.

        Args:
            run: The run.
            around: The transaction around it; None for none.
            future: Its future, if it was submitted.
        """
        from towpath._transactions.members import take_part  # noqa: PLC0415 - few runs need it

        take_part(run, around, future)
