"""The table of reasons, and what a status tells."""

from __future__ import annotations

import re
from pathlib import Path

from google.rpc import code_pb2, error_details_pb2
from towpath.api.v1 import errors_pb2
from towpath_service.core.errors import FieldViolation, ServiceError
from towpath_service.rpc.errors import CODES, MAX_VIOLATIONS, to_status

CONTRACT = Path(__file__).parents[4] / "protos/towpath/api/v1/errors.proto"


def documented_codes() -> dict[str, str]:
    """Reason to code, from the comments of errors.proto."""
    found: dict[str, str] = {}
    code = ""
    for line in CONTRACT.read_text(encoding="utf-8").splitlines():
        if match := re.match(r"\s+// ([A-Z_]{5,})[.,]", line):
            code = match[1]
        if (match := re.match(r"\s+ERROR_REASON_(\w+) = ", line)) and match[1] != "UNSPECIFIED":
            found[match[1]] = code
    return found


def test_every_reason_has_the_code_that_the_contract_documents() -> None:
    assert documented_codes() == CODES


def test_every_reason_is_one_of_the_contract() -> None:
    names = {
        name.removeprefix("ERROR_REASON_")
        for name in errors_pb2.ErrorReason.DESCRIPTOR.values_by_name
    }
    assert set(CODES) == names - {"UNSPECIFIED"}


def test_a_status_carries_reason_metadata_violations_and_delay() -> None:
    status = to_status(
        ServiceError(
            reason="OVERLOADED",
            message="later",
            metadata={"key": "value"},
            violations=[FieldViolation(field="name", description="is wrong")],
            retry_after_seconds=1.5,
        )
    )
    info = error_details_pb2.ErrorInfo()
    bad = error_details_pb2.BadRequest()
    retry = error_details_pb2.RetryInfo()
    for detail, message in zip(status.details, (info, bad, retry), strict=True):
        assert detail.Unpack(message)
    assert status.code == code_pb2.UNAVAILABLE
    assert (info.reason, info.domain, dict(info.metadata)) == (
        "OVERLOADED",
        "towpath",
        {"key": "value"},
    )
    assert [(item.field, item.description) for item in bad.field_violations] == [
        ("name", "is wrong")
    ]
    assert retry.retry_delay.ToMilliseconds() == 1500


def test_a_status_stays_small_whatever_the_request_was() -> None:
    huge = "\N{SNOWMAN}" * 100_000
    status = to_status(
        ServiceError(
            reason="INVALID_REQUEST",
            message=huge,
            metadata={"token": huge},
            violations=[FieldViolation(field=huge, description=huge)] * 1000,
        )
    )
    bad = error_details_pb2.BadRequest()
    assert status.details[1].Unpack(bad)
    assert len(bad.field_violations) == MAX_VIOLATIONS
    in_trailers = status.ByteSize() * 4 / 3
    assert in_trailers < 8_192
