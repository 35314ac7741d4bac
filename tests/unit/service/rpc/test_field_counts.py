"""Fields are counted as parsing finds them, and whatever the bytes are, the count ends."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st
from towpath.api.v1 import ingest_service_pb2 as pb
from towpath_service.rpc.field_counts import has_more_fields

from tests.in_process.producing import batch, creation, transition

RUN = "01978d2a-7c1e-7aaa-8bbb-0123456789ab"
KIND = pb.RecordUpdatesRequest.DESCRIPTOR
REQUEST = pb.RecordUpdatesRequest(
    workspace="workspaces/default",
    producer_id=RUN,
    batch=batch(
        1,
        creation(RUN, kind=1),
        transition(RUN),
        pb.Update(
            run_id=RUN, create=pb.RunCreation(labels={"a": "b", "c": ""}, tags=["one", "two"])
        ),
    ),
)


def fields_of(message: Message) -> int:
    """How many fields a message has on the wire."""
    count = 0
    for field, value in message.ListFields():
        content: Any = value
        if field.message_type is None:
            count += 1 if isinstance(content, (str, bytes, int, float)) else len(content)
        elif field.message_type.GetOptions().map_entry:
            # An entry is a message of key and value.
            count += 3 * len(content)
        else:
            parts = [content] if isinstance(content, Message) else list(content)
            count += sum(1 + fields_of(part) for part in parts)
    return count


def cut(size: int) -> bytes:
    return REQUEST.SerializeToString()[:size]


def counted(content: bytes) -> int:
    return next(most for most in range(1000) if not has_more_fields(content, KIND, most))


def test_all_fields_are_counted_however_deep() -> None:
    assert counted(REQUEST.SerializeToString()) == fields_of(REQUEST)


def test_fields_of_unknown_numbers_count_once() -> None:
    unknown = b"\xf2\x7f\x02\x12\x00" + b"\xf8\x7f\x01" + b"\xf9\x7f" + b"1" * 8 + b"\xfd\x7f1234"
    assert counted(unknown) == 4


@given(st.binary(max_size=60) | st.integers(0, 300).map(cut))
def test_any_bytes_are_counted_to_an_end(content: bytes) -> None:
    assert not has_more_fields(content, KIND, len(content) + 1)


def test_the_count_ends_at_the_limit() -> None:
    update = pb.RecordUpdatesRequest(batch=pb.UpdateBatch(updates=[pb.Update()]))
    assert has_more_fields(update.SerializeToString() * 2_000_000, KIND, 1000)
