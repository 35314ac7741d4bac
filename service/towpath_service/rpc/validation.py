"""The contract's own rules, checked at the edge by protovalidate."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from towpath_service.domain.errors import FieldViolation, ServiceError

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from protovalidate import Validator, Violation


@cache
def _validator() -> Validator:
    import protovalidate  # noqa: PLC0415 - 0.1 s of import that the first call pays, not the start

    return protovalidate.Validator()


def violations_of(message: Message) -> list[FieldViolation]:
    """The rules of the contract that a message breaks."""
    return [
        FieldViolation(
            field=_path(violation),
            description=violation.proto.message or violation.proto.rule_id,
        )
        for violation in _validator().collect_violations(message)
    ]


def check(message: Message) -> None:
    """Raises INVALID_REQUEST, with every violation, if a message breaks a rule."""
    violations = violations_of(message)
    if violations:
        first = violations[0]
        raise ServiceError(
            reason="INVALID_REQUEST",
            message=f"{first.field or 'the request'}: {first.description}",
            violations=violations,
        )


def _path(violation: Violation) -> str:
    """Where the violation is, "batch.updates[3].run_id"."""
    path = violation.proto.field
    return ".".join(
        element.field_name
        + (f"[{element.subscript.value}]" if element.subscript is not None else "")
        for element in (path.elements if path is not None else ())
    )
