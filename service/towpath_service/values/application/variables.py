"""Variables of workspaces: set and read by people and runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import uuid4

from towpath_service.core.errors import not_found, outdated
from towpath_service.identity.domain.principals import exists
from towpath_service.values.domain.variables import (
    MOST_VARIABLES,
    StoredVariable,
    check_json,
    parse_variable,
    too_many,
    variable_name,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath_service.core.clock import Clock
    from towpath_service.core.names import Scope
    from towpath_service.values.ports.variables import Variables, VariableStore


@dataclass(frozen=True, slots=True, kw_only=True)
class VariableChange:
    """The change of a variable; None for a field that stays."""

    name: str
    value_json: str | None = None
    tags: tuple[str, ...] | None = None
    etag: str = ""
    """The etag that the variable must still have; empty for any."""
    allow_missing: bool = False
    """Whether the variable is created if there is none."""


class WorkspaceVariables:
    """The variables of all workspaces of one installation."""

    def __init__(self, store: VariableStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def create(
        self, scope: Scope, variable_id: str, value_json: str, tags: tuple[str, ...]
    ) -> StoredVariable:
        """Makes a variable; raises RESOURCE_EXISTS, QUOTA_EXCEEDED or INVALID_REQUEST."""
        check_json(value_json)
        made = self._new(scope.workspace_id, variable_id, value_json, tags)

        def work(variables: Variables) -> StoredVariable:
            if variables.find(made.workspace_id, made.variable_id) or not _add(variables, made):
                raise exists(made.name)
            return made

        return await self._store.write(scope.tenant_id, work)

    async def get(self, tenant_id: str, name: str) -> StoredVariable:
        """A variable; raises RESOURCE_NOT_FOUND."""
        asked = parse_variable(name)
        found = await self._store.read(tenant_id, lambda variables: variables.find(*asked))
        if found is None:
            raise not_found(name)
        return found

    async def page(self, scope: Scope, after: str, most: int) -> Sequence[StoredVariable]:
        """Variables of a workspace by id, from the one after an id on."""
        return await self._store.read(
            scope.tenant_id, lambda variables: variables.page(scope.workspace_id, after, most)
        )

    async def update(self, tenant_id: str, change: VariableChange) -> StoredVariable:
        """Changes a variable, or creates it.

        Raises:
            ServiceError: RESOURCE_NOT_FOUND, ETAG_MISMATCH, QUOTA_EXCEEDED or INVALID_REQUEST.
        """
        asked = parse_variable(change.name, "variable.name")
        if change.value_json is not None:
            check_json(change.value_json)

        def work(variables: Variables) -> StoredVariable:
            was = variables.find(*asked, lock=True)
            if was is None:
                made = self._missing(change, asked)
                if _add(variables, made):
                    return made
                # Another call has just made it.
                was = variables.find(*asked, lock=True)
                assert was is not None
            now = self._changed(was, change)
            variables.change(now)
            return now

        return await self._store.write(tenant_id, work)

    async def delete(self, tenant_id: str, name: str, etag: str) -> None:
        """Removes a variable; raises RESOURCE_NOT_FOUND or ETAG_MISMATCH."""
        asked = parse_variable(name)

        def work(variables: Variables) -> None:
            was = variables.find(*asked, lock=True)
            if was is None:
                raise not_found(name)
            _check_etag(was, etag)
            variables.remove(was)

        await self._store.write(tenant_id, work)

    def _missing(self, change: VariableChange, asked: tuple[str, str]) -> StoredVariable:
        """The variable that a change creates; RESOURCE_NOT_FOUND when it may create none."""
        if not change.allow_missing or change.etag or change.value_json is None:
            raise not_found(variable_name(*asked))
        return self._new(*asked, change.value_json, change.tags or ())

    def _new(
        self, workspace_id: str, variable_id: str, value_json: str, tags: tuple[str, ...]
    ) -> StoredVariable:
        now_us = self._clock.now_us()
        return StoredVariable(
            workspace_id=workspace_id,
            variable_id=variable_id,
            row_id=str(uuid4()),
            value_json=value_json,
            tags=tags,
            revision=1,
            created_us=now_us,
            updated_us=now_us,
        )

    def _changed(self, was: StoredVariable, change: VariableChange) -> StoredVariable:
        _check_etag(was, change.etag)
        return replace(
            was,
            value_json=was.value_json if change.value_json is None else change.value_json,
            tags=was.tags if change.tags is None else change.tags,
            revision=was.revision + 1,
            updated_us=self._clock.now_us(),
        )


def _add(variables: Variables, made: StoredVariable) -> bool:
    """Makes a variable; False when there is one of its id. Raises QUOTA_EXCEEDED."""
    if variables.count(made.workspace_id) >= MOST_VARIABLES:
        raise too_many(made.workspace_id)
    return variables.add(made)


def _check_etag(was: StoredVariable, etag: str) -> None:
    if etag and etag != was.etag:
        raise outdated(was.name)
