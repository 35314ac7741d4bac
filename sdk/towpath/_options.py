"""Options that flows and tasks share."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Final

from towpath.exceptions import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

HOOKS: Final = ("on_completion", "on_failure", "on_cancellation", "on_crashed", "on_running")
_KNOWN: Final = (
    *HOOKS,
    *("name", "description", "version", "tags", "flow_run_name", "task_run_name", "retries"),
    *("retry_delay_seconds", "retry_jitter_factor", "retry_condition_fn", "timeout_seconds"),
    *("log_prints", "task_runner", "validate_parameters", "final_state"),
)


def hooks_of(owner: str, options: dict[str, Any]) -> dict[str, list[Callable[..., Any]]]:
    """The hooks among options.

    Raises:
        DefinitionError: There is something else among them.
    """
    for name in options:
        if name not in HOOKS:
            close = difflib.get_close_matches(name, _KNOWN, 1)
            hint = f": did you mean {close[0]!r}?" if close else f"; there are {', '.join(_KNOWN)}"
            raise DefinitionError(f"a {owner} has no option {name!r}{hint}")
    return {name: list(hooks or ()) for name, hooks in options.items()}


def delays_of(
    retries: int, delay: float | Sequence[float] | Callable[[int], Sequence[float]]
) -> tuple[float, ...]:
    """Seconds before each retry."""
    if callable(delay):
        return tuple(delay(retries))
    if isinstance(delay, int | float):
        return (float(delay),) if delay else ()
    return tuple(delay)


def named(template: str | Callable[[], str] | None, parameters: dict[str, Any]) -> str | None:
    """A name from a template over parameters, or from a callable."""
    if template is None:
        return None
    if callable(template):
        return template()
    try:
        return template.format(**parameters)
    except (KeyError, IndexError, AttributeError) as error:
        raise DefinitionError(
            f"the run name template {template!r} asks for {error}; there are"
            f" {', '.join(parameters) or 'no parameters'}"
        ) from None
