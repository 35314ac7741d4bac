"""Checks job templates of pools, and overrides of them, against the schema of the pool's kind.

A kind that the service doesn't know is its worker's own: its templates are not checked here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from towpath.extensions import job_templates

from towpath_service.core.errors import FieldViolation, ServiceError, invalid
from towpath_service.work.domain.json_objects import is_object, parse_object
from towpath_service.work.domain.pools import KUBERNETES, MOST_TEMPLATE_BYTES, PROCESS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_SCHEMAS: Final[Mapping[str, Mapping[str, Any]]] = {
    PROCESS: job_templates.PROCESS,
    KUBERNETES: job_templates.KUBERNETES,
}

_TYPES: Final[Mapping[str, Callable[[Any], bool]]] = {
    "array": lambda value: isinstance(value, list),
    "boolean": lambda value: isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "object": is_object,
    "string": lambda value: isinstance(value, str),
}
_WORDS: Final = {
    "array": "a list",
    "boolean": "true or false",
    "number": "a number",
    "object": "a JSON object",
    "string": "a string",
}


def check_template(kind: str, template: str, field: str) -> None:
    """Checks a job template, or overrides of one.

    Args:
        kind: Kind of the pool.
        template: JSON object; empty for none. A null, which removes a key, fits any key.
        field: The field that it was given in, for the error.

    Raises:
        ServiceError: INVALID_REQUEST: it is no JSON object, has a key that the kind doesn't have,
            with the keys that it has, or a value that doesn't fit; PAYLOAD_TOO_LARGE.
    """
    found = parse_object(template, field, most_bytes=MOST_TEMPLATE_BYTES)
    schema = _SCHEMAS.get(kind)
    if schema is None or not found:
        return
    known = schema["properties"]
    unknown = [key for key in found if key not in known]
    if unknown:
        raise _unknown(kind, unknown, sorted(known), field)
    for key, value in found.items():
        misfit = _misfit(known[key], value, f"{field}.{key}")
        if misfit is not None:
            raise misfit


def _unknown(kind: str, keys: list[str], known: list[str], field: str) -> ServiceError:
    names = ", ".join(repr(key) for key in keys)
    allowed = ", ".join(known)
    what = f"unknown in job templates of the kind {kind!r}, which have {allowed}"
    return ServiceError(
        reason="INVALID_REQUEST",
        message=f"{field}: {names}: {what}",
        violations=tuple(FieldViolation(field=f"{field}.{key}", description=what) for key in keys),
    )


def _misfit(schema: Mapping[str, Any], value: Any, field: str) -> ServiceError | None:
    """The error for a value that doesn't fit; None for one that fits, and for null.

    Knows the keywords that the schemas of Towpath's kinds have.
    """
    if value is None:
        return None
    names: str | list[str] = schema["type"]
    allowed = [names] if isinstance(names, str) else names
    if not any(_TYPES[name](value) for name in allowed):
        return invalid(field, f"must be {' or '.join(_WORDS[name] for name in allowed)}")
    least = schema.get("minimum")
    if least is not None and value < least:
        return invalid(field, f"must be at least {least}")
    if "enum" in schema and value not in schema["enum"]:
        return invalid(field, f"must be one of {', '.join(schema['enum'])}")
    each = (_misfit(inner, item, f"{field}.{key}") for inner, key, item in _parts(schema, value))
    return next((error for error in each if error is not None), None)


def _parts(schema: Mapping[str, Any], value: Any) -> Iterator[tuple[Mapping[str, Any], Any, Any]]:
    """The schema, the key and the value of each part of an object or a list."""
    if is_object(value) and "additionalProperties" in schema:
        return ((schema["additionalProperties"], key, item) for key, item in value.items())
    if isinstance(value, list) and "items" in schema:
        items: list[Any] = [*value]
        return ((schema["items"], key, item) for key, item in enumerate(items))
    return iter(())
