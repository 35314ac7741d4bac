"""The JSON Schema of a flow's parameters: from annotations, defaults and the docstring."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final, cast

from pydantic import ConfigDict, Field, create_model
from pydantic.json_schema import GenerateJsonSchema

from towpath._callables import signature_of
from towpath._definitions.misfits import PREFIX
from towpath._definitions.parameters import checked_types, names_of
from towpath._deploy.docstrings import descriptions_of
from towpath._redaction.marking import sensitive_parameters
from towpath.exceptions import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towpath._definitions.deployments import DeployedFlow

_VARIABLE: Final = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class _Schema(GenerateJsonSchema):
    """Takes any value where a type has no JSON Schema, such as a data frame."""

    def emit_warning(self, kind: Any, detail: str) -> None:
        """Says nothing of defaults that are no JSON: they are left out."""

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> dict[str, Any]:
        del schema, error_info
        return {}


def parameter_schema(flow: DeployedFlow) -> dict[str, Any]:
    """Returns the JSON Schema (2020-12) of a flow's parameters.

    Sensitive parameters are `writeOnly`, and have no default in the schema. Types that JSON can't
    express take any value.

    Raises:
        DefinitionError: A parameter can't be given by name, or an annotation can't be checked.
    """
    parameters = signature_of(flow.fn).parameters
    _refuse_positional(flow, parameters)
    types = checked_types(flow.fn) if flow.should_validate_parameters else {}
    described = descriptions_of(flow.fn)
    sensitive = sensitive_parameters(flow.fn)
    fields: dict[str, Any] = {
        PREFIX + name: (
            types.get(name, Any),
            _field(parameter, described.get(name), sensitive=name in sensitive),
        )
        for name, parameter in parameters.items()
        if parameter.kind not in _VARIABLE
    }
    config = ConfigDict(arbitrary_types_allowed=True, title="Parameters")
    model = cast("Any", create_model("Parameters", __config__=config, **fields))
    model.model_rebuild(_types_namespace=names_of(flow.fn))
    schema: dict[str, Any] = model.model_json_schema(by_alias=True, schema_generator=_Schema)
    for name in sensitive & schema.get("properties", {}).keys():
        _hide(schema["properties"][name])
    takes_others = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
    return {"properties": {}, **schema, "additionalProperties": takes_others}


def _field(parameter: inspect.Parameter, description: str | None, *, sensitive: bool) -> Any:
    default = ... if parameter.default is parameter.empty else parameter.default
    extra: dict[str, Any] | None = {"writeOnly": True} if sensitive else None
    return Field(
        default=default,
        alias=parameter.name,
        title=parameter.name,
        description=description,
        json_schema_extra=extra,
    )


def _hide(schema: dict[str, Any]) -> None:
    """Removes what would show a sensitive value."""
    for keyword in ("default", "examples", "const", "enum"):
        schema.pop(keyword, None)


def _refuse_positional(flow: DeployedFlow, parameters: Mapping[str, inspect.Parameter]) -> None:
    for parameter in parameters.values():
        if parameter.kind is parameter.POSITIONAL_ONLY and parameter.default is parameter.empty:
            raise DefinitionError(
                f"flow {flow.name!r} can't be deployed: its parameter {parameter.name!r} is"
                " positional-only, and runs of deployments get arguments by name"
            )
