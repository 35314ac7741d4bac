"""Arguments against signatures: binding, and validation with pydantic where annotations ask."""

from __future__ import annotations

from functools import lru_cache
from inspect import Parameter
from itertools import islice
from types import SimpleNamespace
from typing import (
    TYPE_CHECKING,
    Any,
    Final,
    ParamSpecArgs,
    ParamSpecKwargs,
    Unpack,
    get_origin,
    get_type_hints,
)

from towpath._callables import plain_function, positional_parameters, shows_defaults, signature_of
from towpath._definitions.misfits import PREFIX, misfit_message, short_repr, shown_signature
from towpath.exceptions import DefinitionError, ParameterError

if TYPE_CHECKING:
    import inspect
    from collections.abc import Callable

_ABSENT: Final = object()
_REQUIRED: Final = Parameter.empty
_UNCHECKED: Final = object()
"""Stands for the type of a parameter whose values are taken as they are."""


def bind(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    owner: str,
    defaults: bool = True,
) -> dict[str, Any]:
    """The arguments by parameter, defaults included unless `defaults` is False.

    Those of builtins are left out: what their signatures show need not be what they take.

    Raises:
        ParameterError: They don't fit the signature.
    """
    given = _bound_by_place(function, args, kwargs) if defaults else None
    if given is not None:
        return given
    signature = signature_of(function)
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        problem = f"{owner}: {error}; its signature is {shown_signature(function, signature)}"
    else:
        if defaults and shows_defaults(function):
            bound.apply_defaults()
        return dict(bound.arguments)
    # Raised here, so that no context of it holds the arguments.
    raise ParameterError(problem)


def _bound_by_place(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, Any] | None:
    """The arguments by parameter of a plain call that fits; None leaves it to `inspect`.

    `inspect` takes longer for a call of two arguments than a task takes for the rest of its start.
    """
    plain = positional_parameters(function)
    if plain is None or len(args) > len(plain):
        return None
    if not plain and not kwargs:
        return {}
    bound = dict(zip(plain, args, strict=False))
    left = len(kwargs)
    for name in islice(plain, len(args), None):
        value = kwargs.get(name, _ABSENT) if left else _ABSENT
        if value is not _ABSENT:
            left -= 1
        else:
            value = plain[name]
            if value is _REQUIRED:
                return None
        bound[name] = value
    return None if left else bound


def validate(
    function: Callable[..., Any], parameters: dict[str, Any], *, owner: str
) -> dict[str, Any]:
    """Parameters coerced to their annotations.

    A default that doesn't fit is its author's, and is left as it is.

    Raises:
        ParameterError: Values don't fit; the message names each parameter and place.
        DefinitionError: An annotation can't be checked.
    """
    if not parameters:
        return parameters
    model = _model(function)
    if model is None:
        return parameters
    from pydantic import ValidationError  # noqa: PLC0415 - only annotated parameters need pydantic

    given = {name: each for name, each in parameters.items() if PREFIX + name in model.model_fields}
    try:
        return {**parameters, **_checked(model, given)}
    except ValidationError as error:
        found = error
    wrong = {str(each["loc"][0]).removeprefix(PREFIX) for each in found.errors()}
    usual = {name for name in wrong if _is_default(function, name, parameters[name])}
    if usual:
        given = {name: each for name, each in parameters.items() if name not in usual}
        return {**parameters, **validate(function, given, owner=owner)}
    # Raised here, so that no context of it holds the arguments.
    raise ParameterError(f"{owner}: {misfit_message(found, function, parameters)}")


def _checked(model: Any, given: dict[str, Any]) -> dict[str, Any]:
    checked = model.model_validate({PREFIX + name: value for name, value in given.items()})
    return {name: getattr(checked, PREFIX + name) for name in given}


def _is_default(function: Callable[..., Any], name: str, value: Any) -> bool:
    return signature_of(function).parameters[name].default is value


def checked_types(function: Callable[..., Any]) -> dict[str, Any]:
    """The types of a function's parameters by name; of those whose values are checked.

    Raises:
        DefinitionError: An annotation can't be looked up.
    """
    return {
        name: found
        for name, parameter in signature_of(function).parameters.items()
        if parameter.annotation is not parameter.empty
        and (found := _type_of(function, parameter)) is not _UNCHECKED
    }


@lru_cache(maxsize=1024)
def _model(function: Callable[..., Any]) -> Any:
    types = checked_types(function)
    if not types:
        return None
    try:
        return _model_of(types, names_of(function))
    except Exception as error:  # noqa: BLE001 - pydantic raises errors of many classes
        for name, each in types.items():
            _refuse_unless_checked(name, each, names_of(function))
        raise DefinitionError(f"annotations can't be checked: {error}") from None


def _model_of(types: dict[str, Any], names: dict[str, Any]) -> Any:
    from pydantic import ConfigDict, create_model  # noqa: PLC0415 - annotations alone need pydantic

    # Whether an argument is missing was looked at before.
    fields: dict[str, Any] = {PREFIX + name: (each, None) for name, each in types.items()}
    config = ConfigDict(arbitrary_types_allowed=True)
    model = create_model("Parameters", __config__=config, **fields)
    # Texts within annotations mean what they mean where the function stands.
    model.model_rebuild(_types_namespace=names)
    return model


def _refuse_unless_checked(name: str, annotation: Any, names: dict[str, Any]) -> None:
    try:
        _model_of({name: annotation}, names)
    except Exception as error:  # noqa: BLE001 - as above
        raise DefinitionError(
            f"parameter {name!r} is annotated {short_repr(annotation)}, which can't be checked:"
            f" {type(error).__name__}: {error}. Annotate it otherwise, or leave arguments as they"
            " are with validate_parameters=False"
        ) from None


def _type_of(function: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    """The type of a parameter's value; for *args and **kwargs that of the whole."""
    found = _annotated(function, parameter.name, parameter.annotation)
    if getattr(found, "_is_protocol", False) and not getattr(found, "_is_runtime_protocol", False):
        return _UNCHECKED  # isinstance can't look at it
    if parameter.kind is parameter.VAR_POSITIONAL:
        return _UNCHECKED if _is_unpacked(found) else tuple.__class_getitem__((found, ...))
    if parameter.kind is parameter.VAR_KEYWORD:
        return _UNCHECKED if _is_unpacked(found) else dict.__class_getitem__((str, found))
    return found


def _is_unpacked(annotation: Any) -> bool:
    """Whether an annotation of *args or **kwargs means these as a whole."""
    return get_origin(annotation) is Unpack or isinstance(
        annotation, ParamSpecArgs | ParamSpecKwargs
    )


def _annotated(function: Callable[..., Any], name: str, annotation: Any) -> Any:
    """The type that a parameter's annotation means, which may be a text."""
    try:
        alone = SimpleNamespace(__annotations__={name: annotation})
        return get_type_hints(alone, globalns=names_of(function), include_extras=True)[name]
    except NameError as error:
        written = getattr(annotation, "__forward_arg__", annotation)
        raise DefinitionError(
            f"parameter {name!r} is annotated {written!r}, which can't be looked up when the"
            f" flow runs: {error}. Import it outside of TYPE_CHECKING, or leave arguments as they"
            " are with validate_parameters=False"
        ) from None


def names_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The names that a function's annotations may use: those of its module."""
    names: dict[str, Any] = getattr(plain_function(function), "__globals__", {})
    return names
