"""Validates requests; used by the dispatcher.

protovalidate checks the contract's rules; this module adds rules for texts. No text may have a NUL,
which PostgreSQL can't store. Names may not have characters that are invisible, or that change the
display of others. Batches of runs' reports are validated by their handlers instead.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.message import Message

from towpath_service.core.errors import FieldViolation, ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from protovalidate import Validator, Violation

LARGE_BYTES: Final = 2048
MOST_TEXTS: Final = 8

NAMES: Final = frozenset({"display_name", "client_name"})
"""Fields by which users recognise each other and their resources."""

# Controls, zero-width characters, direction marks, other line separators, and tags.
_UNSEEN: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb"
    "\U000e0000-\U000e0fff]"
)


@cache
def _validator() -> Validator:
    import protovalidate  # noqa: PLC0415 - 0.1 s of import that the first call pays, not the start

    return protovalidate.Validator()


def first_violation(message: Message) -> FieldViolation | None:
    """The first rule of the contract that a part of a batch breaks; None when it breaks none."""
    found = _validator().collect_violations(message, fail_fast=True)
    return _told(found[0]) if found else None


def check(message: Message) -> None:
    """Raises INVALID_REQUEST, with every violation, if a message breaks a rule.

    In a large message, the check ends at the first violation: each one costs as much as a small
    call, and two bytes are enough to cause one.
    """
    large = message.ByteSize() > LARGE_BYTES
    found = _validator().collect_violations(message, fail_fast=large)
    violations = [_told(violation) for violation in found]
    if not (large and violations):
        violations += islice(_text_violations(message, ""), MOST_TEXTS)
    if violations:
        first = violations[0]
        raise ServiceError(
            reason="INVALID_REQUEST",
            message=f"{first.field or 'the request'}: {first.description}",
            violations=violations,
        )


def _told(violation: Violation) -> FieldViolation:
    return FieldViolation(
        field=_path(violation),
        description=violation.proto.message or violation.proto.rule_id,
    )


def _text_violations(message: Message, prefix: str) -> Iterator[FieldViolation]:
    for field, value in message.ListFields():
        for place, part in _parts(value):
            path = f"{prefix}{field.name}{place}"
            if isinstance(part, Message):
                yield from _text_violations(part, f"{path}.")
            elif isinstance(part, str):
                problem = _text_problem(part, name=field.name in NAMES)
                if problem:
                    yield FieldViolation(field=path, description=problem)


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    """The values of a field with their positions: the one, those of a list, or of a map."""
    if isinstance(value, (str, bytes, int, float, Message)):
        yield "", value
    elif hasattr(value, "items"):
        for key, part in value.items():
            yield "", key
            yield f"[{key}]", part
    else:
        for number, part in enumerate(value):
            yield f"[{number}]", part


def _text_problem(text: str, *, name: bool) -> str:
    if "\0" in text:
        return "must not contain NUL (U+0000)"
    if not name:
        return ""
    found = _UNSEEN.search(text)
    if found:
        return f"must not contain the invisible character U+{ord(found[0]):04X}"
    return "must not consist of blanks only" if text.isspace() else ""


def _path(violation: Violation) -> str:
    """The path of a violation, such as "batch.updates[3].run_id"."""
    path = violation.proto.field
    return ".".join(
        element.field_name
        + (f"[{element.subscript.value}]" if element.subscript is not None else "")
        for element in (path.elements if path is not None else ())
    )
