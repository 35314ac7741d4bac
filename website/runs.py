"""The references of run states, decision rules and error reasons."""

from __future__ import annotations

import re
from typing import Any

from website.contract import enum_values
from website.markdown import code, page, table
from website.places import RULES, TERMINAL_STATES, TRANSITIONS, load

_CODE = re.compile(r"(?P<code>[A-Z_]+)\. (?P<meaning>.*)")


def states_page() -> str:
    """The states of a run, and the table of transitions."""
    terminal = {state.name for state in load(TERMINAL_STATES)}
    states = table(
        ("state", "terminal", "meaning"),
        [
            (
                code(value.name),
                "yes" if value.name in terminal else "",
                value.comment.removeprefix("Terminal. "),
            )
            for value in enum_values("state.proto", "RunState")
        ],
    )
    transitions = table(
        ("from", "to", "reported by", "condition"),
        [
            (
                code(row.from_state.name) if row.from_state else "(new)",
                code(row.to_state.name),
                ", ".join(sorted(source.name.lower() for source in row.sources)),
                _condition(row),
            )
            for row in load(TRANSITIONS)
        ],
    )
    return page(
        "Run states",
        "Flow runs and task runs have the same states. A run that has reached a terminal state"
        " has ended.",
        states,
        "## Transitions",
        "The service refuses a transition that is not in this table. A *producer* is the process"
        " that executes the run, a *caller* a client of the API, the *system* the service itself.",
        transitions,
    )


def rules_page() -> str:
    """The rules by which the service accepts or refuses a change of state."""
    rules = table(("rule", "meaning"), [(code(name), text) for name, text in load(RULES).items()])
    return page(
        "Decision rules",
        "The service decides on each reported change of state, and records the rule."
        " `towpath run why RUN` shows the decisions on a run.",
        rules,
    )


def errors_page() -> str:
    """The reasons of errors that the API answers."""
    rows: list[tuple[str, str, str]] = []
    for value in enum_values("errors.proto", "ErrorReason"):
        found = _CODE.match(value.comment)
        status, meaning = (found["code"], found["meaning"]) if found else ("", value.comment)
        rows.append((code(value.name), code(status), meaning))
    return page(
        "Error reasons",
        "The API answers errors with a gRPC status and a `google.rpc.ErrorInfo` of the domain"
        " `towpath`. One cause always has the same reason. A reason always has the same status.",
        table(("reason", "gRPC status", "meaning"), rows),
    )


def _condition(row: Any) -> str:
    if row.required_reason:
        return f"with reason {code(row.required_reason)}"
    if row.only_after_inferred:
        return "the crash was inferred, and no later attempt has begun"
    return ""
