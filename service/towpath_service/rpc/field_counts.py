"""Counts the fields of a serialised message without parsing it; used by endpoints.

A field takes at least two bytes, and a parsed empty message fifty times that. Large messages are
therefore counted before they are parsed. The count ends at the limit.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.descriptor import Descriptor

_MORE: Final = 0x80
_VARINT, _FIXED64, _SIZED, _FIXED32 = 0, 1, 2, 5
_FIXED: Final = {_FIXED64: 8, _FIXED32: 4}


def has_more_fields(content: bytes, kind: Descriptor, most: int) -> bool:
    """Whether a message has more fields than a limit, including those of nested messages.

    Args:
        content: The message in the wire format. Where it is malformed, the count ends.
        kind: The message's type.
        most: The limit.
    """
    waiting = [(0, len(content), kind)]
    fields = 0
    while waiting:
        position, end, kind = waiting.pop()
        inner = _messages_in(kind)
        while position < end:
            fields += 1
            if fields > most:
                return True
            tag, position = _varint(content, position)
            wire_type = tag & 7
            if wire_type == _VARINT:
                _, position = _varint(content, position)
            elif wire_type == _SIZED:
                size, position = _varint(content, position)
                part = inner.get(tag >> 3)
                if part is not None and size:
                    waiting.append((position, min(position + size, end), part))
                position += size
            else:
                # The contract has no groups; fields of one count as those of its parent.
                position += _FIXED.get(wire_type, 0)
    return False


def _varint(content: bytes, position: int) -> tuple[int, int]:
    """A varint, and the position after it."""
    if position < len(content) and content[position] < _MORE:
        return content[position], position + 1
    value = shift = 0
    while position < len(content):
        byte = content[position]
        position += 1
        value |= (byte & ~_MORE) << shift
        if byte < _MORE:
            break
        shift += 7
    return value, position


@cache
def _messages_in(kind: Descriptor) -> Mapping[int, Descriptor]:
    return {field.number: field.message_type for field in kind.fields if field.message_type}
