"""Variables of a workspace, as they are stored."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Final, NoReturn

from towpath_service.core.errors import ServiceError, invalid
from towpath_service.core.names import SLUG

MOST_BYTES: Final = 64 * 1024
"""Largest value: bytes of JSON."""

MOST_VARIABLES: Final = 10_000
"""Most variables of a workspace."""

_VARIABLE: Final = re.compile(rf"workspaces/({SLUG})/variables/([a-z0-9_][a-z0-9_-]{{0,254}})")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVariable:
    """A variable with its value."""

    workspace_id: str
    variable_id: str
    row_id: str
    """UUID: a later variable with the same name has another one."""
    value_json: str
    tags: tuple[str, ...]
    revision: int
    """Revision of the variable, from 1."""
    created_us: int
    updated_us: int

    @property
    def name(self) -> str:
        """Its resource name."""
        return variable_name(self.workspace_id, self.variable_id)

    @property
    def etag(self) -> str:
        """Changes with every change of the variable."""
        return f"{self.row_id}.{self.revision}"


def variable_name(workspace_id: str, variable_id: str) -> str:
    """Resource name of a variable."""
    return f"workspaces/{workspace_id}/variables/{variable_id}"


def parse_variable(name: str, field_name: str = "name") -> tuple[str, str]:
    """Workspace and id in a name; INVALID_REQUEST naming the field if it isn't one."""
    match = _VARIABLE.fullmatch(name)
    if match is None:
        raise invalid(
            field_name,
            'must be "workspaces/{workspace}/variables/{variable}", the variable of a-z, 0-9, _'
            " and -",
        )
    return match[1], match[2]


def check_json(value_json: str) -> None:
    """Refuses a value that is too large or isn't JSON; raises INVALID_REQUEST."""
    if len(value_json.encode()) > MOST_BYTES:
        raise invalid("variable.value_json", f"must have at most {MOST_BYTES} bytes")
    try:
        json.loads(value_json, parse_constant=_refuse_constant)
    except RecursionError:
        raise invalid("variable.value_json", "is nested too deeply") from None
    except ValueError as error:
        raise invalid("variable.value_json", f"must be JSON: {error}") from None


def too_many(workspace_id: str) -> ServiceError:
    """The error for a variable beyond a workspace's maximum."""
    return ServiceError(
        reason="QUOTA_EXCEEDED",
        message=f"workspaces/{workspace_id} has {MOST_VARIABLES} variables: delete some first",
        metadata={"quota": "variables_per_workspace"},
    )


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number in JSON")
