"""Classes whose values are stored and hashed by the tests, and values of every kind."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import functools
import math
import struct
import uuid
from dataclasses import InitVar, dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, RootModel, field_validator


class Colour(enum.Enum):
    RED = 1
    SCARLET = 1  # noqa: PIE796 - another name for the same member
    BLUE = 2


class Right(enum.Flag):
    READ = 1
    WRITE = 2
    BOTH = 3
    ADMIN = 8


class Level(enum.IntEnum):
    LOW = 1


@dataclass
class Doubling:
    """Its constructor isn't idempotent."""

    value: Any
    kept: Any = field(init=False, default=None)
    scale: InitVar[int] = 2

    def __post_init__(self, scale: int) -> None:
        self.value = self.value * scale
        self.note = "made"


@dataclass(frozen=True, slots=True)
class Slotted:
    a: Any
    __b: Any = None


@dataclass(init=False, repr=False)
class Half:
    a: Any
    b: Any

    def __repr__(self) -> str:
        return f"Half({vars(self)})"


class Money(BaseModel):
    """Its validator isn't idempotent, its field has an alias, and it has something private."""

    model_config = ConfigDict(extra="allow")
    cents: Any = Field(alias="amount")
    currency: str = "EUR"
    _source: Any = PrivateAttr(None)

    @field_validator("cents")
    @classmethod
    def in_cents(cls, value: int) -> int:
        return value * 100

    @functools.cached_property
    def label(self) -> str:
        return f"{self.cents} {self.currency}"


class Names(RootModel[dict[str, int]]):
    pass


class Numbers(RootModel[list[int]]):
    pass


def money(cents: Any, source: Any = None, **more: Any) -> Money:
    made = Money(amount=1, **more)
    made.cents = cents
    made._source = source
    return made


def half(value: Any) -> Half:
    made = Half()
    made.a = value
    return made


ODD_NAN = struct.unpack(">d", bytes.fromhex("fff8000000000001"))[0]
BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = dt.datetime(2026, 10, 25, 2, 30)  # noqa: DTZ001 - twice that night

VALUES: dict[str, Any] = {
    "none": None,
    "a key of our own": {"$": "tuple", "v": [1, 2.5, True, "text"]},
    "keys that are no texts": {1: "one", (2, 3): frozenset({4}), True and "x": 5},
    "nested": (1, [2, (3,)], {4, 5}),
    "bytes": b"\x00bytes",
    "infinity": math.inf,
    "negative zero": -0.0,
    "another nan": [ODD_NAN, math.nan],
    "a large integer": -(7**5000),
    "two surrogates": {"\ud83d\ude00": "\ud83d\ude00"},
    "one character": {"\U0001f600": "\U0001f600"},
    "utc": dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC),
    "an offset": dt.datetime(2026, 3, 1, tzinfo=dt.timezone(dt.timedelta(hours=1, seconds=3))),
    "a named offset": dt.datetime(2026, 3, 1, tzinfo=dt.timezone(dt.timedelta(0), "X")),
    "a zone": NIGHT.replace(tzinfo=BERLIN),
    "a fold": NIGHT.replace(tzinfo=BERLIN, fold=1),
    "a fold without a zone": NIGHT.replace(fold=1),
    "a time": dt.time(1, 2, 3, 4, tzinfo=BERLIN, fold=1),
    "a time with an offset": dt.time(1, tzinfo=dt.timezone(dt.timedelta(hours=-3))),
    "a date": dt.date(2026, 3, 1),
    "a span": dt.timedelta(days=-1, microseconds=3),
    "zones": [BERLIN, dt.UTC, dt.timezone(dt.timedelta(0), "X")],
    "decimals": [decimal.Decimal(text) for text in ("1.10", "1.1", "-0", "sNaN12", "1E+3")],
    "uuid": uuid.UUID(int=7),
    "path": Path("/some/caf\udce9"),
    "enum": [Colour.SCARLET, Level.LOW],
    "flags": [Right.READ, Right.BOTH, Right.WRITE | Right.ADMIN, Right(0)],
    "a dataclass": Doubling(2, 3),
    "slots": Slotted(1, (2,)),
    "half built": half([1]),
    "a model": money([1, 2], source=dt.date(2026, 1, 1), more="extra"),
    "root of a dict": Names({"a": 1}),
    "root of a list": Numbers([1, 2]),
    "built without validation": Money.model_construct(cents="1"),
}

zones = st.none() | st.sampled_from(
    [dt.UTC, BERLIN, ZoneInfo("Europe/Madrid"), dt.timezone(dt.timedelta(hours=1), "CET")]
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=-3, max_value=3),
    st.floats(),
    st.text(st.characters(exclude_categories=())),
    st.binary(max_size=5),
    st.decimals(),
    st.builds(
        lambda moment, zone, fold: moment.replace(tzinfo=zone, fold=fold),
        st.datetimes() | st.just(NIGHT),
        zones,
        st.sampled_from([0, 1]),
    ),
    st.times(),
    st.timedeltas(),
    st.uuids(),
    st.sampled_from([*Colour, *Right, Right.WRITE | Right.ADMIN, Level.LOW]),
)
hashable = st.integers(-2, 2) | st.text(max_size=2) | st.booleans() | st.sampled_from(Colour)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(hashable | st.tuples(hashable), inner, max_size=4),
        st.frozensets(hashable, max_size=4),
        st.sets(hashable, max_size=4),
        st.builds(Slotted, inner, inner),
        st.builds(money, inner, inner),
        inner.map(half),
    ),
    max_leaves=12,
)
