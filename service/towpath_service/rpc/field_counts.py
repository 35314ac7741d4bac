"""How many fields a message has, told from its bytes, without making anything of them.

A field is two bytes at least, and what parsing makes of an empty message is fifty times that. So
what is large is counted before it is parsed; the count ends at the limit, however much follows.
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
    """Whether a message has more fields, its own and those of all messages in it, than a limit.

    Args:
        content: The message in the wire format. Where it is malformed, the count ends.
        kind: What it is a message of.
        most: Fields that it may have.
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
                # A group's fields, which nothing here has, are counted as those of what it is in.
                position += _FIXED.get(wire_type, 0)
    return False


def _varint(content: bytes, position: int) -> tuple[int, int]:
    """A number and where it ends."""
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
