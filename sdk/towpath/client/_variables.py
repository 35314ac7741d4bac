"""Variables of a workspace, with their values."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.protobuf.field_mask_pb2 import FieldMask

from towpath._values.variable_json import value_as_json
from towpath.api.v1 import variable_service_pb2 as pb
from towpath.client._calls import PAGE, Subject
from towpath.client._convert import to_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class VariableInfo:
    """A variable."""

    name: str
    """Its name, "high-water-mark"."""
    workspace: str
    """Id of its workspace."""
    value: Any
    """Its value, of JSON's kinds."""
    tags: tuple[str, ...]
    created: datetime
    changed: datetime
    """When its value or tags last changed."""
    etag: str
    """Version of value and tags together; see `Variables.set`."""

    @property
    def resource_name(self) -> str:
        """The resource name, "workspaces/{workspace}/variables/{name}"."""
        return f"workspaces/{self.workspace}/variables/{self.name}"


class Variables(Subject):
    """Sets, lists and deletes the variables of the client's workspace.

    Flows read and set them with `towpath.variables.Variable`. Every method raises
    `towpath.exceptions.RpcError`, or one of its kinds, when the service can't be reached or
    refuses.
    """

    def create(self, name: str, value: Any, *, tags: Iterable[str] = ()) -> VariableInfo:
        """Creates a variable.

        Args:
            name: Name of the new variable: 1 to 255 of a-z, 0-9, _ and -.
            value: Its value: JSON of at most 64 KiB.
            tags: Its tags, at most 64.

        Returns:
            The variable as created.

        Raises:
            VariableError: The value isn't JSON, or too large.
            Conflict: A variable has this name.
        """
        request = pb.CreateVariableRequest(
            parent=self._parent,
            variable_id=name,
            variable=pb.Variable(value_json=value_as_json(name, value), tags=tags),
        )
        answer = self._calls.unary(
            "VariableService/CreateVariable", request, pb.CreateVariableResponse
        )
        return _convert_variable(answer.variable)

    def set(
        self, name: str, value: Any, *, tags: Iterable[str] | None = None, etag: str = ""
    ) -> VariableInfo:
        """Sets the value of a variable, and creates the variable when there is none.

        Args:
            name: Name of the variable.
            value: Its value: JSON of at most 64 KiB.
            tags: Its tags; None to keep the present ones.
            etag: The etag that the variable must still have; empty for any.

        Returns:
            The variable as it is now.

        Raises:
            VariableError: The value isn't JSON, or too large.
            NotFound: There is no such variable, and an etag is given.
            Conflict: The variable has another etag.
        """
        written = value_as_json(name, value)
        request = pb.UpdateVariableRequest(
            variable=pb.Variable(name=self._name(name), value_json=written, tags=tags, etag=etag),
            update_mask=FieldMask(paths=["value_json"] if tags is None else ["value_json", "tags"]),
            allow_missing=not etag,
        )
        answer = self._calls.unary(
            "VariableService/UpdateVariable", request, pb.UpdateVariableResponse
        )
        return _convert_variable(answer.variable)

    def get(self, name: str) -> VariableInfo:
        """Returns a variable.

        Args:
            name: Name of the variable.

        Raises:
            NotFound: There is no such variable.
        """
        request = pb.GetVariableRequest(name=self._name(name))
        answer = self._calls.unary("VariableService/GetVariable", request, pb.GetVariableResponse)
        return _convert_variable(answer.variable)

    def list(self) -> Iterator[VariableInfo]:
        """Lists the variables of the workspace by name.

        Returns:
            The variables, fetched page by page.
        """
        request = pb.ListVariablesRequest(parent=self._parent, page_size=PAGE)
        for page in self._calls.pages(
            "VariableService/ListVariables", request, pb.ListVariablesResponse
        ):
            yield from map(_convert_variable, page.variables)

    def delete(self, name: str, *, etag: str = "") -> None:
        """Deletes a variable.

        Args:
            name: Name of the variable.
            etag: The etag that the variable must still have; empty for any.

        Raises:
            NotFound: There is no such variable.
            Conflict: The variable has another etag.
        """
        request = pb.DeleteVariableRequest(name=self._name(name), etag=etag)
        self._calls.unary("VariableService/DeleteVariable", request, pb.DeleteVariableResponse)

    def _name(self, name: str) -> str:
        return f"{self._parent}/variables/{name}"


def _convert_variable(message: pb.Variable) -> VariableInfo:
    _, workspace, _, name = message.name.split("/")
    return VariableInfo(
        name=name,
        workspace=workspace,
        value=json.loads(message.value_json),
        tags=tuple(message.tags),
        created=to_time(message.create_time),
        changed=to_time(message.update_time),
        etag=message.etag,
    )
