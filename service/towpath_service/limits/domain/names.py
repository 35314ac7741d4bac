"""Names of limits, of templates of limits and of acquisitions."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from towpath_service.core.errors import invalid
from towpath_service.core.names import SLUG, Scope, is_uuid

TAG: Final = "tag:"
"""Prefix of the ids of limits on tasks with a tag."""
MOST_LETTERS: Final = 100

_ID: Final = r"[A-Za-z0-9_][A-Za-z0-9_.:@+-]*"
_TEMPLATE: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_.:@+-]*[A-Za-z0-9_.@+-])?:\*"
_LIMIT: Final = re.compile(rf"workspaces/({SLUG})/limits/([^/]{{1,{MOST_LETTERS}}})")
_HOLDER: Final = re.compile(rf"({_LIMIT.pattern})/holders/([0-9a-f-]{{36}})")


class LimitKey(NamedTuple):
    """A limit of a workspace of a tenant."""

    tenant_id: str
    workspace_id: str
    limit_id: str

    @property
    def scope(self) -> Scope:
        """The workspace."""
        return Scope(self.tenant_id, self.workspace_id)

    @property
    def is_template(self) -> bool:
        """Whether others are made from it."""
        return self.limit_id.endswith(":*")

    @property
    def templates(self) -> tuple[LimitKey, ...]:
        """The templates that it could be made from, the most special one first."""
        parts = self.limit_id.split(":")[:-1]
        heads = [":".join(parts[:count]) for count in range(len(parts), 0, -1)]
        return tuple(self._replace(limit_id=f"{head}:*") for head in heads if head)

    def __str__(self) -> str:
        """The resource name."""
        return f"workspaces/{self.workspace_id}/limits/{self.limit_id}"


class AcquisitionKey(NamedTuple):
    """An acquisition in a workspace of a tenant."""

    tenant_id: str
    workspace_id: str
    acquisition_id: str


def check_limit_id(text: str, field: str, *, template: bool = False) -> str:
    """Returns the id of a limit; INVALID_REQUEST naming the field if it isn't one.

    Args:
        text: The id.
        field: The field of the request.
        template: Whether it may be a template's.
    """
    forms = (_ID, _TEMPLATE) if template else (_ID,)
    if len(text) > MOST_LETTERS or not any(re.fullmatch(form, text) for form in forms):
        also = ', or end in ":*" for a template' if template else ""
        raise invalid(
            field,
            f'must have 1 to {MOST_LETTERS} of a-z, A-Z, 0-9 and "_.:@+-", with a letter, a digit'
            f" or _ first{also}",
        )
    return text


def parse_limit(tenant_id: str, name: str, field: str = "name") -> LimitKey:
    """Reads the name of a limit; INVALID_REQUEST naming the field if it isn't one."""
    match = _LIMIT.fullmatch(name)
    if match is None:
        raise invalid(field, 'must be "workspaces/{workspace}/limits/{limit}"')
    return LimitKey(tenant_id, match[1], check_limit_id(match[2], field, template=True))


def parse_holder(tenant_id: str, name: str, field: str = "name") -> tuple[LimitKey, AcquisitionKey]:
    """Reads the name of a holder; INVALID_REQUEST naming the field if it isn't one."""
    match = _HOLDER.fullmatch(name)
    if match is None or not is_uuid(match[4]):
        raise invalid(field, 'must be "workspaces/{workspace}/limits/{limit}/holders/{uuid}"')
    limit = parse_limit(tenant_id, match[1], field)
    return limit, AcquisitionKey(*limit.scope, match[4])
