"""Checks of a deployment's arguments, before the service is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from towpath.exceptions import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from towpath.schedules import Schedule

_SECRET: Final = "{{ secrets."  # noqa: S105 - how a secret is named, not one


def check_parameters(
    flow: str, schema: Mapping[str, Any], sensitive: Iterable[str], *given: Mapping[str, Any]
) -> None:
    """Refuses arguments that a flow doesn't take, and sensitive ones in plain text.

    Args:
        flow: Name of the flow.
        schema: JSON Schema of its parameters; empty for any.
        sensitive: Names of its sensitive parameters.
        *given: Arguments of the deployment and of its schedules.

    Raises:
        DefinitionError: An argument is refused.
    """
    hidden = set(sensitive)
    for name, value in sorted((name, value) for each in given for name, value in each.items()):
        if schema and not schema.get("additionalProperties", True):
            _refuse_unknown(flow, schema, name)
        if name in hidden and not str(value).startswith(_SECRET):
            raise DefinitionError(
                f"parameter {name!r} of flow {flow!r} is sensitive, and others can read a"
                f' deployment: give "{_SECRET}NAME }}}}", which the process of the run replaces'
            )


def _refuse_unknown(flow: str, schema: Mapping[str, Any], name: str) -> None:
    known = schema.get("properties", {})
    if name not in known:
        takes = ", ".join(known) or "none"
        raise DefinitionError(f"flow {flow!r} has no parameter {name!r}; its parameters: {takes}")


def check_schedules(
    flow: str,
    schema: Mapping[str, Any],
    parameters: Mapping[str, Any],
    schedules: Mapping[str, Schedule] | None,
) -> None:
    """Refuses schedules whose runs would have no value for a required parameter.

    Args:
        flow: Name of the flow.
        schema: JSON Schema of its parameters; empty for any.
        parameters: Arguments of the deployment.
        schedules: Its schedules by id.

    Raises:
        DefinitionError: A value is missing.
    """
    for schedule in (schedules or {}).values():
        given = {*parameters, *schedule.parameters}
        missing = [name for name in schema.get("required", []) if name not in given]
        if missing:
            raise DefinitionError(
                f"flow {flow!r} needs a value for {', '.join(missing)}, which neither the schedule"
                " nor the deployment gives: give parameters, or a default in the function"
            )
