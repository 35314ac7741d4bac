"""Checks of arguments against the JSON Schema of a deployment (2020-12).

All is bounded, since schemas come from callers: no reference leaves the schema, so nothing is ever
fetched; patterns are matched in linear time; a check ends after 50,000 steps. A check computes for
up to some seconds at worst: callers run it on a thread.
"""

from __future__ import annotations

import json
import re
from contextvars import ContextVar
from functools import cache, lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from towpath_service.core.errors import FieldViolation, ServiceError, invalid
from towpath_service.work.domain.json_objects import is_array, is_object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from jsonschema.exceptions import ValidationError

MOST_STEPS: Final = 50_000
"""Most steps of a check: keywords of the schema, each with the number of its parts."""
MOST_MISFITS: Final = 6
"""Most misfits that an error names."""
_MOST_CHARACTERS: Final = 200
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_NAMED: Final = re.compile(r"\{\{\s*(?:secrets|(?:prefect\.)?variables)\.[a-z0-9_-]+\s*\}\}")
_REFERENCES: Final = ("$ref", "$dynamicRef")
_DATA: Final = frozenset({"const", "default", "enum", "examples"})
"""Keywords whose values aren't schemas."""

_steps: ContextVar[int] = ContextVar("steps")


class _TooLong(Exception):
    """A check has taken too many steps."""


def check_schema(schema: Mapping[str, Any], field: str = "parameter_schema_json") -> None:
    """Checks that a JSON Schema can be used for parameters.

    Args:
        schema: The schema.
        field: The field that it was given in, for the error.

    Raises:
        ServiceError: INVALID_REQUEST: it is no schema of 2020-12, refers to another document, or
            has a pattern with look-around or back-references.
    """
    import jsonschema  # noqa: PLC0415 - 0.2 s of import that the first schema pays

    if schema.get("$schema", _DIALECT).rstrip("#") != _DIALECT:
        raise invalid(field, f"must be a schema of {_DIALECT}")
    for keyword, value, top in _keywords(schema, top=True):
        _check_keyword(keyword, value, field, top=top)
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        place = _place(field, error.absolute_path)
        raise invalid(place, _short(error.message)) from None
    except RecursionError:
        raise invalid(field, "is too deep") from None


def check_parameters(
    schema: Mapping[str, Any],
    parameters: Mapping[str, Any],
    field: str = "parameters",
    *,
    named: bool = True,
) -> None:
    """Checks arguments against a JSON Schema.

    Args:
        schema: A schema that `check_schema` accepts.
        parameters: The arguments, by name.
        field: The field that they were given in, for the error.
        named: Whether the name of a secret or variable fits each schema: the process of the run
            replaces it.

    Raises:
        ServiceError: INVALID_REQUEST, with the path of each misfit, at most 6; or the check takes
            too many steps.
    """
    _steps.set(MOST_STEPS)
    try:
        found = (
            error
            for error in _misfits(schema, parameters)
            if not (named and _is_named(error.instance))
        )
        misfits = list(islice(found, MOST_MISFITS))
    except (_TooLong, RecursionError):
        raise invalid(field, "the schema is too complex to check these arguments against") from None
    if not misfits:
        return
    violations = [
        FieldViolation(field=_place(field, error.absolute_path), description=_short(error.message))
        for error in misfits
    ]
    raise ServiceError(
        reason="INVALID_REQUEST",
        message="; ".join(f"{item.field}: {item.description}" for item in violations),
        violations=violations,
    )


def _is_named(argument: Any) -> bool:
    """Whether an argument is the name of a value, which the process of the run replaces."""
    return isinstance(argument, str) and _NAMED.fullmatch(argument) is not None


def _misfits(schema: Mapping[str, Any], parameters: Any) -> Iterator[ValidationError]:
    from referencing import Registry  # noqa: PLC0415 - jsonschema imports it
    from referencing.exceptions import Unresolvable  # noqa: PLC0415 - jsonschema imports it

    # With "$schema" its value would choose the validator, in place of the bounded one.
    plain = {keyword: value for keyword, value in schema.items() if keyword != "$schema"}
    registry: Registry[Any] = Registry()
    try:
        yield from _validator()(plain, registry=registry).iter_errors(parameters)
    except Unresolvable as error:
        raise invalid("parameter_schema_json", f"{error.ref!r} refers to nothing in it") from None


@cache
def _validator() -> Any:
    """The validator of the dialect, bounded."""
    from jsonschema import Draft202012Validator as dialect  # noqa: N813, PLC0415 - 0.2 s to import
    from jsonschema import validators as making  # noqa: PLC0415 - 0.2 s to import

    keywords: dict[str, Callable[..., Any]] = {
        **dialect.VALIDATORS,
        "additionalProperties": _additional_properties,
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "uniqueItems": _unique_items,
    }
    counted = {keyword: _counted(check) for keyword, check in keywords.items()}
    untyped: Any = making
    return untyped.extend(dialect, counted)


def _counted(check: Callable[..., Any]) -> Callable[..., Any]:
    def counting(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
        parts = len(value) if is_object(value) or is_array(value) else 0
        left = _steps.get() - 1 - parts
        if left < 0:
            raise _TooLong
        _steps.set(left)
        yield from check(validator, value, instance, schema) or ()

    return counting


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[Any]:
    del validator, schema
    if isinstance(instance, str) and not _matches(pattern, instance):
        yield _misfit(f"{instance!r} does not match {pattern!r}")


def _pattern_properties(
    validator: Any, patterns: Mapping[str, Any], instance: Any, schema: Any
) -> Iterator[Any]:
    del schema
    if is_object(instance):
        for pattern, subschema in patterns.items():
            for name, value in instance.items():
                if _matches(pattern, name):
                    yield from validator.descend(value, subschema, path=name, schema_path=pattern)


def _additional_properties(
    validator: Any, subschema: Any, instance: Any, schema: Mapping[str, Any]
) -> Iterator[Any]:
    if not is_object(instance):
        return
    patterns: Iterable[str] = schema.get("patternProperties", ())
    for name in instance.keys() - schema.get("properties", {}).keys():
        if any(_matches(pattern, name) for pattern in patterns):
            continue
        if subschema is False:
            yield _misfit(f"{name!r} is not a parameter that is known here")
        else:
            yield from validator.descend(instance[name], subschema, path=name)


def _unique_items(validator: Any, unique: Any, instance: Any, schema: Any) -> Iterator[Any]:
    del validator, schema
    if unique and is_array(instance):
        texts = {json.dumps(_with_whole_numbers(item), sort_keys=True) for item in instance}
        if len(texts) < len(instance):
            yield _misfit("has items that are equal")


def _with_whole_numbers(value: Any) -> Any:
    """A value in which 1.0 is 1, as JSON Schema compares them."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if is_array(value):
        return [_with_whole_numbers(item) for item in value]
    if is_object(value):
        return {name: _with_whole_numbers(item) for name, item in value.items()}
    return value


def _misfit(message: str) -> ValidationError:
    from jsonschema.exceptions import ValidationError  # noqa: PLC0415 - 0.2 s to import

    return ValidationError(message)


def _matches(pattern: str, text: str) -> bool:
    return bool(_matcher(pattern).isinstance_python(text))


@lru_cache(maxsize=256)
def _matcher(pattern: str) -> Any:
    """Matches a pattern in linear time, wherever it is in a text.

    Raises:
        ServiceError: INVALID_REQUEST: it is no regular expression, or has look-around.
    """
    from pydantic_core import (  # noqa: PLC0415 - only schemas with patterns need it
        SchemaError,
        SchemaValidator,
        core_schema,
    )

    try:
        return SchemaValidator(
            core_schema.str_schema(pattern=pattern, regex_engine="rust-regex", strict=True)
        )
    except SchemaError:
        raise invalid(
            "parameter_schema_json",
            f"{_short(pattern)!r} is no pattern without look-around and back-references",
        ) from None


def _keywords(schema: Any, *, top: bool = False) -> Iterator[tuple[str, Any, bool]]:
    """All keywords in a schema, with their values, and whether they are at its top."""
    if is_object(schema):
        for keyword, value in schema.items():
            yield keyword, value, top
            if keyword not in _DATA:
                yield from _keywords(value)
    elif is_array(schema):
        for part in schema:
            yield from _keywords(part)


def _check_keyword(keyword: str, value: Any, field: str, *, top: bool) -> None:
    if keyword in _REFERENCES and isinstance(value, str) and not value.startswith("#"):
        raise invalid(field, f"{_short(value)!r} refers to another document: nothing is fetched")
    if keyword == "$schema" and isinstance(value, str) and not top:
        raise invalid(field, "must name $schema at its top only")
    if keyword == "pattern" and isinstance(value, str):
        _matcher(value)
    if keyword == "patternProperties" and is_object(value):
        for pattern in value:
            _matcher(pattern)
    if keyword == "unevaluatedProperties":
        raise invalid(field, "must use additionalProperties in place of unevaluatedProperties")


def _place(field: str, path: Iterable[str | int]) -> str:
    """The path of a value, such as "parameters.days[3]"."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in path]
    return f"{field}{''.join(parts)}"


def _short(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}…"
