"""Checks of a deployment's arguments, before the service is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from towpath.exceptions import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from towpath.client import DeploymentSpec
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


def missing_values(
    spec: DeploymentSpec, schedules: Mapping[str, Schedule] | None
) -> Mapping[str, list[str]]:
    """Returns the required parameters, by schedule, for which its runs would have no value."""
    required = spec.parameter_schema.get("required", [])
    found: dict[str, list[str]] = {}
    for slug, schedule in (schedules or {}).items():
        given = {*spec.parameters, *schedule.parameters}
        missing = [name for name in required if name not in given]
        if missing:
            found[slug] = missing
    return found


def missing_text(name: str, missing: Mapping[str, list[str]]) -> str:
    """A warning about schedules whose runs would have no value; empty without any."""
    if not missing:
        return ""
    names = ", ".join(sorted({each for several in missing.values() for each in several}))
    return (
        f"{name}: its schedules give no value for {names}, so their runs will be refused: give"
        " parameters"
    )
