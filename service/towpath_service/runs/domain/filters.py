"""Filters over runs and log lines: a part of AIP-160, parsed into a tree.

    filter     = [ or ]
    or         = and { "OR" and }
    and        = not { "AND" not }
    not        = [ "NOT" | "-" ] term
    term       = "(" or ")" | field operator value
    operator   = "=" | "!=" | "<" | "<=" | ">" | ">=" | ":"
    value      = word | "quoted"

":" means has: for tags membership, for labels presence or value, for texts a substring, or a prefix
when the value ends in "*".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from towpath_service.core.errors import ServiceError
from towpath_service.runs.domain.states import RunKind, RunState

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_LENGTH: Final = 4096
MAX_DEPTH: Final = 8
MAX_TERMS: Final = 64

Operator = Literal["=", "!=", "<", "<=", ">", ">=", ":"]
FieldType = Literal["text", "number", "time", "seconds", "state", "kind", "severity", "tags"]

RUN_FIELDS: Final[Mapping[str, FieldType]] = {
    "run_id": "text",
    "short_id": "text",
    "kind": "kind",
    "display_name": "text",
    "flow": "text",
    "task_key": "text",
    "task_name": "text",
    "parent_run": "text",
    "root_run": "text",
    "state": "state",
    "state_reason": "text",
    "attempt": "number",
    "scheduled_time": "time",
    "start_time": "time",
    "end_time": "time",
    "create_time": "time",
    "run_duration": "seconds",
    "code_version": "text",
    "tags": "tags",
}
LOG_FIELDS: Final[Mapping[str, FieldType]] = {
    "severity": "severity",
    "logger": "text",
    "attempt": "number",
    "occur_time": "time",
    "body": "text",
}
_OPERATORS: Final[Mapping[FieldType, tuple[Operator, ...]]] = {
    "text": ("=", "!=", ":"),
    "tags": (":",),
    "kind": ("=", "!="),
    "state": ("=", "!="),
}
_ORDERED: Final[tuple[Operator, ...]] = ("=", "!=", "<", "<=", ">", ">=")
SEVERITIES: Final = {"TRACE": 1, "DEBUG": 5, "INFO": 9, "WARN": 13, "ERROR": 17, "FATAL": 21}


@dataclass(frozen=True, slots=True)
class Comparison:
    """One field compared with one value."""

    field: str
    operator: Operator
    value: str | int
    """A text; or a number: of a state or kind, or microseconds of a time or duration."""


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite of a filter."""

    operand: Filter


@dataclass(frozen=True, slots=True)
class Combination:
    """Several filters, of which all ("AND") or any ("OR") must hold."""

    operator: Literal["AND", "OR"]
    operands: tuple[Filter, ...]


Filter = Comparison | Not | Combination


class CountedCells(NamedTuple):
    """The stored counts that a filter selects; None in a field selects all its values."""

    flow_id: str | None = None
    kind: int | None = None
    state: int | None = None


def counted_cells(condition: Filter | None) -> CountedCells | None:
    """The counts selected by a filter on equality of flow, kind and state; None for others."""
    if condition is None:
        return CountedCells()
    terms = condition.operands if isinstance(condition, Combination) else (condition,)
    if isinstance(condition, Combination) and condition.operator != "AND":
        return None
    given: dict[str, str | int] = {}
    for term in terms:
        if not isinstance(term, Comparison) or term.operator != "=" or term.field in given:
            return None
        given[term.field] = term.value
    flow = given.pop("flow", None)
    kind, state = given.pop("kind", None), given.pop("state", None)
    if given:
        return None
    return CountedCells(
        None if flow is None else str(flow).rpartition("/")[2],
        None if kind is None else int(kind),
        None if state is None else int(state),
    )


_TOKEN = re.compile(
    r'\s*(?:(?P<quoted>"(?:[^"\\]|\\.)*")|(?P<symbol><=|>=|!=|[()=<>:])'
    r'|(?P<word>[^\s()=<>:!"]+))'
)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    position: int


def parse_filter(text: str, fields: Mapping[str, FieldType]) -> Filter | None:
    """Parses a filter; an empty text gives None.

    Args:
        text: The filter as the caller wrote it, at most 4,096 characters.
        fields: Names and types of the known fields; "tags" implies "labels.KEY".

    Raises:
        ServiceError: INVALID_FILTER, with `position` and `token`.
    """
    if len(text) > MAX_LENGTH:
        raise _error(f"a filter has at most {MAX_LENGTH} characters", MAX_LENGTH, "")
    tokens = _tokens(text)
    if not tokens:
        return None
    parser = _Parser(tokens, fields, len(text))
    parsed = parser.parse_or(1)
    parser.expect_end()
    return parsed


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    position = 0
    stripped = text.rstrip()
    while position < len(stripped):
        match = _TOKEN.match(stripped, position)
        if match is None:
            start = position + len(stripped[position:]) - len(stripped[position:].lstrip())
            raise _error("this can't be read", start, stripped[start : start + 20])
        kind = str(match.lastgroup)
        tokens.append(_Token(kind, match[kind], match.start(kind)))
        position = match.end()
    return tokens


class _Parser:
    def __init__(self, tokens: list[_Token], fields: Mapping[str, FieldType], end: int) -> None:
        self._tokens = tokens
        self._fields = fields
        self._end = end
        self._next = 0
        self._terms = 0

    def parse_or(self, depth: int) -> Filter:
        return self._parse_chain("OR", depth)

    def expect_end(self) -> None:
        token = self._peek()
        if token is not None:
            raise _error("AND or OR is missing here", token.position, token.text)

    def _parse_chain(self, operator: Literal["AND", "OR"], depth: int) -> Filter:
        operands = [self._parse_operand(operator, depth)]
        while self._take_word(operator):
            operands.append(self._parse_operand(operator, depth))
        return operands[0] if len(operands) == 1 else Combination(operator, tuple(operands))

    def _parse_operand(self, operator: Literal["AND", "OR"], depth: int) -> Filter:
        return self._parse_chain("AND", depth) if operator == "OR" else self._parse_not(depth)

    def _parse_not(self, depth: int) -> Filter:
        if self._take_word("NOT"):
            return Not(self._parse_term(depth))
        return self._parse_term(depth)

    def _parse_term(self, depth: int) -> Filter:
        token = self._take("a field or a parenthesis")
        if token.text == "(" and token.kind == "symbol":
            if depth >= MAX_DEPTH:
                raise _error(f"at most {MAX_DEPTH} levels", token.position, token.text)
            inner = self.parse_or(depth + 1)
            closing = self._take("a closing parenthesis")
            if closing.text != ")" or closing.kind != "symbol":
                raise _error("a closing parenthesis is missing", closing.position, closing.text)
            return inner
        return self._parse_comparison(token)

    def _parse_comparison(self, token: _Token) -> Comparison:
        self._terms += 1
        if self._terms > MAX_TERMS:
            raise _error(f"at most {MAX_TERMS} terms", token.position, token.text)
        field_type = self._field_type(token)
        operator = self._take("an operator")
        if operator.kind != "symbol" or operator.text in "()":
            raise _error("an operator is missing", operator.position, operator.text)
        value = self._take("a value")
        if value.kind == "symbol":
            raise _error("a value is missing", value.position, value.text)
        allowed = _allowed_operator(field_type, operator)
        text = _unquoted(value)
        return Comparison(token.text, allowed, _typed(field_type, text, value))

    def _field_type(self, token: _Token) -> FieldType:
        if token.kind == "word" and "tags" in self._fields and token.text.startswith("labels."):
            return "text"
        found = self._fields.get(token.text) if token.kind == "word" else None
        if found is None:
            known = ", ".join(self._fields)
            raise _error(f"there is no such field; there are {known}", token.position, token.text)
        return found

    def _peek(self) -> _Token | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def _take(self, wanted: str) -> _Token:
        token = self._peek()
        if token is None:
            raise _error(f"{wanted} is missing at the end", self._end, "")
        self._next += 1
        return token

    def _take_word(self, word: str) -> bool:
        token = self._peek()
        if token is not None and token.kind == "word" and token.text == word:
            self._next += 1
            return True
        return False


def _unquoted(token: _Token) -> str:
    if token.kind != "quoted":
        return token.text
    return re.sub(r"\\(.)", r"\1", token.text[1:-1])


def _allowed_operator(field_type: FieldType, operator: _Token) -> Operator:
    allowed = _OPERATORS.get(field_type, _ORDERED)
    for candidate in allowed:
        if candidate == operator.text:
            return candidate
    raise _error(f"this field takes {' '.join(allowed)}", operator.position, operator.text)


def _typed(field_type: FieldType, text: str, token: _Token) -> str | int:
    try:
        match field_type:
            case "number":
                return int(text)
            case "seconds":
                return int(float(text.removesuffix("s")) * 1e6)
            case "time":
                moment = datetime.fromisoformat(text)
                return int(
                    (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1e6
                )
            case "state":
                return int(RunState[text.upper()])
            case "kind":
                return int(RunKind[text.upper()])
            case "severity":
                return SEVERITIES[text.upper()] if not text.isdigit() else int(text)
            case _:
                return text
    except (KeyError, ValueError, OverflowError):
        raise _error(f"this is no {field_type}", token.position, token.text) from None


def _error(problem: str, position: int, token: str) -> ServiceError:
    return ServiceError(
        reason="INVALID_FILTER",
        message=f"the filter can't be read at character {position}: {problem}",
        metadata={"position": str(position), "token": token[:63]},
    )
