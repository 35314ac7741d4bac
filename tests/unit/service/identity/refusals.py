"""Calls that are refused, as the catalogue of bad input states them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from towpath_auth.credentials import new_api_key

from tests.in_process.producing import creation, recording
from tests.unit.service.identity.wire import LIST, PRODUCER, Wire

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Row:
    """A call that is refused."""

    code: str
    reason: str
    method: str = LIST
    body: Any = None
    """Bytes, or fields of a request, or a function of the wire that gives either."""
    token: Any = "owner"
    """Whose token; or a function of the wire that gives metadata."""
    connect: bool = True
    """Whether Connect can carry it, too."""
    holds: Callable[[Any], object] = bool
    """What is true of the answer of a row that is OK."""


def said(text: str) -> Callable[[Wire], tuple[tuple[str, str], ...]]:
    return lambda _: (("authorization", text),)


def update(**fields: Any) -> bytes:
    """A report with one update that has other fields than it may."""
    request = recording(PRODUCER, 1, creation(str(uuid4()), kind=1, flow_id="nightly"))
    for name, value in fields.items():
        setattr(request, name, value)
    return request.SerializeToString()


UNAUTHENTICATED, DENIED, INVALID = "UNAUTHENTICATED", "PERMISSION_DENIED", "INVALID_ARGUMENT"
KEY_TEXT = new_api_key("user").text
NOW = int(time.time())


def from_the_future() -> dict[str, int]:
    # Of the time of the call: the rows are made long before, when the tests are collected.
    now = int(time.time())
    return {"issued_at": now + 300, "expires_at": now + 600}


def trust(**changes: Any) -> dict[str, Any]:
    return {
        "issuer": "https://issuer.example",
        "audiences": ["towpath"],
        "rules": [{"path": "sub", "value": "x"}],
        "service_account": "serviceAccounts/nobody",
        **changes,
    }
