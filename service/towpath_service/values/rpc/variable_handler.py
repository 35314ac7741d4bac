"""The handler of VariableService."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from towpath.api.v1 import variable_service_pb2 as pb

from towpath_service.core.errors import invalid
from towpath_service.core.names import Scope, parse_workspace
from towpath_service.rpc.paging import DEFAULT_SIZE, read_page
from towpath_service.rpc.times import set_time
from towpath_service.values.application.variables import VariableChange

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath_auth import Caller

    from towpath_service.values.application.variables import WorkspaceVariables
    from towpath_service.values.domain.variables import StoredVariable

MOST_ON_A_PAGE: Final = 60
"""Most variables of a page: with the largest values, 4 MB."""

_CHANGEABLE: Final = frozenset({"value_json", "tags"})


class VariableHandler:
    """Manages variables."""

    service: ClassVar[str] = "towpath.api.v1.VariableService"

    def __init__(self, variables: WorkspaceVariables) -> None:
        self._variables = variables

    async def create_variable(
        self, request: pb.CreateVariableRequest, caller: Caller
    ) -> pb.CreateVariableResponse:
        """Makes a variable."""
        made = await self._variables.create(
            Scope(caller.tenant_id, parse_workspace(request.parent)),
            request.variable_id,
            request.variable.value_json,
            tuple(request.variable.tags),
        )
        return pb.CreateVariableResponse(variable=_message(made))

    async def get_variable(
        self, request: pb.GetVariableRequest, caller: Caller
    ) -> pb.GetVariableResponse:
        """Returns a variable with its value."""
        found = await self._variables.get(caller.tenant_id, request.name)
        return pb.GetVariableResponse(variable=_message(found))

    async def list_variables(
        self, request: pb.ListVariablesRequest, caller: Caller
    ) -> pb.ListVariablesResponse:
        """Lists variables by id."""
        scope = Scope(caller.tenant_id, parse_workspace(request.parent))

        async def read(after: tuple[str, ...], most: int) -> Sequence[StoredVariable]:
            return await self._variables.page(scope, after[0] if after else "", most)

        found, token = await read_page(
            read,
            lambda variable: (variable.variable_id,),
            caller,
            f"ListVariables/{request.parent}",
            size=min(request.page_size or DEFAULT_SIZE, MOST_ON_A_PAGE),
            token=request.page_token,
        )
        return pb.ListVariablesResponse(variables=map(_message, found), next_page_token=token)

    async def update_variable(
        self, request: pb.UpdateVariableRequest, caller: Caller
    ) -> pb.UpdateVariableResponse:
        """Changes a variable, or creates it."""
        changed = await self._variables.update(caller.tenant_id, _change(request))
        return pb.UpdateVariableResponse(variable=_message(changed))

    async def delete_variable(
        self, request: pb.DeleteVariableRequest, caller: Caller
    ) -> pb.DeleteVariableResponse:
        """Removes a variable."""
        await self._variables.delete(caller.tenant_id, request.name, request.etag)
        return pb.DeleteVariableResponse()


def _change(request: pb.UpdateVariableRequest) -> VariableChange:
    asked, paths = request.variable, set(request.update_mask.paths)
    if not paths:
        paths = {name for name in _CHANGEABLE if getattr(asked, name)}
    if not paths or paths - _CHANGEABLE:
        raise invalid("update_mask", "must name value_json, tags or both, or be left out")
    return VariableChange(
        name=asked.name,
        value_json=asked.value_json if "value_json" in paths else None,
        tags=tuple(asked.tags) if "tags" in paths else None,
        etag=asked.etag,
        allow_missing=request.allow_missing,
    )


def _message(variable: StoredVariable) -> pb.Variable:
    made = pb.Variable(
        name=variable.name,
        value_json=variable.value_json,
        tags=variable.tags,
        etag=variable.etag,
    )
    set_time(made.create_time, variable.created_us)
    set_time(made.update_time, variable.updated_us)
    return made
