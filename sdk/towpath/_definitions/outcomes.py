"""What a call of a flow or task gives back: its result, or its final state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from towpath._runs.children import Child


def outcome(child: Child, return_state: bool) -> Any:
    """The result of a run that has ended, or its final state.

    Args:
        child: The run; giving out how it ended counts as dealing with it.
        return_state: Return the state, and raise nothing.

    Raises:
        BaseException: What ended the run, unless it completed.
    """
    assert child.state is not None
    child.handle_unless_completed()
    return child.state if return_state else child.state.result()


async def awaited(child: Awaitable[Child], return_state: bool) -> Any:
    """The same of a run that is still to be brought to its end."""
    return outcome(await child, return_state)
