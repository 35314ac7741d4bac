"""Enums of the contract with their comments, read from the .proto files.

Generated code has the numbers and no comments, so the files are read as text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from website.places import CONTRACT

_VALUE = re.compile(
    r"(?P<comment>(?:^ *//[^\n]*\n)*)^ *(?P<name>[A-Z][A-Z0-9_]*) = \d+", re.MULTILINE
)
_MARK = re.compile(r"^ *// ?", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnumValue:
    """One value of an enum."""

    name: str
    """Without the enum's prefix."""
    comment: str
    """On one line; quotes with backticks stay as they are."""


def enum_values(file: str, enum: str) -> list[EnumValue]:
    """The values of an enum, without the one for "unspecified".

    Args:
        file: Name of the .proto file.
        enum: Name of the enum, such as "RunState".

    Raises:
        ValueError: The file has no such enum.
    """
    text = (CONTRACT / file).read_text(encoding="utf-8")
    found = re.search(rf"^enum {enum} \{{\n(.*?)^\}}", text, re.MULTILINE | re.DOTALL)
    if found is None:
        raise ValueError(f"{file} has no enum {enum}")
    prefix = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", enum).upper() + "_"
    values = [
        EnumValue(
            name=match["name"].removeprefix(prefix),
            comment=" ".join(_MARK.sub("", match["comment"]).split()),
        )
        for match in _VALUE.finditer(found[1])
    ]
    return [value for value in values if value.name != "UNSPECIFIED"]
