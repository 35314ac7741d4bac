"""Resource names, and the short form of run ids that users type."""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from uuid import UUID

from towpath_service.core.errors import invalid

SLUG: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
"""Pattern of ids that users choose, without groups."""

_WORKSPACE: Final = re.compile(rf"workspaces/({SLUG})")
_RUN: Final = re.compile(rf"workspaces/({SLUG})/runs/([0-9a-f-]{{36}})")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_CROCKFORD: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_SHORT_LENGTH: Final = 8


class Scope(NamedTuple):
    """A workspace of a tenant."""

    tenant_id: str
    workspace_id: str


def short_id(run_id: str) -> str:
    """The last 8 characters of a run id in Crockford's base 32: its last 40 bits, lower case."""
    rest = int(run_id[-10:], 16) if run_id[-11] != "-" else UUID(run_id).int
    digits: list[str] = []
    for _ in range(_SHORT_LENGTH):
        rest, digit = divmod(rest, 32)
        digits.append(_CROCKFORD[digit])
    return "".join(reversed(digits))


def run_name(workspace_id: str, run_id: str) -> str:
    """Resource name of a run."""
    return f"workspaces/{workspace_id}/runs/{run_id}"


def flow_name(workspace_id: str, flow_id: str) -> str:
    """Resource name of a flow."""
    return f"workspaces/{workspace_id}/flows/{flow_id}"


def parse_workspace(name: str, field: str = "parent") -> str:
    """The workspace id in a name; INVALID_REQUEST naming the field if it isn't one."""
    match = _WORKSPACE.fullmatch(name)
    if match is None:
        raise invalid(field, 'must be "workspaces/{workspace}", such as "workspaces/default"')
    return match[1]


def parse_run(name: str, field: str = "name") -> tuple[str, str]:
    """The workspace id and run id in a name; INVALID_REQUEST naming the field if it isn't one."""
    match = _RUN.fullmatch(name)
    if match is None or not is_uuid(match[2]):
        raise invalid(field, 'must be "workspaces/{workspace}/runs/{uuid}", the uuid in lower case')
    return match[1], match[2]


def is_uuid(text: str) -> bool:
    """Whether a text is a UUID in its lower-case form."""
    return _UUID.fullmatch(text) is not None
