"""Arguments against signatures: binding, and validation with pydantic where annotations ask."""

from __future__ import annotations

import inspect
from functools import lru_cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, get_type_hints

from towpath._redaction import REDACTED, LiveSecrets, sensitive_parameters
from towpath.exceptions import DefinitionError, ParameterError

if TYPE_CHECKING:
    from collections.abc import Callable


@lru_cache(maxsize=1024)
def signature_of(function: Callable[..., Any]) -> inspect.Signature:
    """The signature of a function."""
    return inspect.signature(function)


def bind(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], *, owner: str
) -> dict[str, Any]:
    """The arguments by parameter, defaults included.

    Raises:
        ParameterError: They don't fit the signature.
    """
    if not args and not kwargs and not signature_of(function).parameters:
        return {}
    try:
        bound = signature_of(function).bind(*args, **kwargs)
    except TypeError as error:
        raise ParameterError(
            f"{owner}: {error}; its signature is {signature_of(function)}"
        ) from None
    bound.apply_defaults()
    return dict(bound.arguments)


def validate(
    function: Callable[..., Any], parameters: dict[str, Any], *, owner: str
) -> dict[str, Any]:
    """Parameters coerced to their annotations.

    Raises:
        ParameterError: A value doesn't fit; the message names the parameter.
    """
    if not parameters:
        return parameters
    model = _model(function)
    if model is None:
        return parameters
    from pydantic import ValidationError  # noqa: PLC0415 - only annotated parameters need pydantic

    try:
        checked = model.model_validate(
            {
                f"p_{name}": value
                for name, value in parameters.items()
                if f"p_{name}" in model.model_fields
            }
        )
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]).removeprefix("p_")
        where = "".join(f"[{part!r}]" for part in first["loc"][1:])
        told, got = first["msg"], repr(first["input"])
        if name in sensitive_parameters(function):
            secrets = LiveSecrets()
            secrets.add(parameters[name])
            told, got = secrets.text(told), REDACTED
        raise ParameterError(f"{owner}: parameter {name!r}{where}: {told}, but got {got}") from None
    return {name: getattr(checked, f"p_{name}", value) for name, value in parameters.items()}


@lru_cache(maxsize=1024)
def _model(function: Callable[..., Any]) -> Any:
    fields = {
        f"p_{name}": (_type_of(function, name, parameter.annotation), ...)
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.annotation is not parameter.empty
        and parameter.kind not in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}
    }
    if not fields:
        return None
    from pydantic import ConfigDict, create_model  # noqa: PLC0415 - annotations alone need pydantic

    definitions: dict[str, Any] = fields
    config = ConfigDict(arbitrary_types_allowed=True)
    return create_model("Parameters", __config__=config, **definitions)


def _type_of(function: Callable[..., Any], name: str, annotation: Any) -> Any:
    """The type that a parameter's annotation means, which may be a text."""
    known: dict[str, Any] = getattr(inspect.unwrap(function), "__globals__", {})
    try:
        alone = SimpleNamespace(__annotations__={name: annotation})
        return get_type_hints(alone, globalns=known, include_extras=True)[name]
    except NameError as error:
        raise DefinitionError(
            f"parameter {name!r} is annotated {annotation!r}, which can't be looked up when the"
            f" flow runs: {error}. Import it outside of TYPE_CHECKING, or leave arguments as they"
            " are with validate_parameters=False"
        ) from None
