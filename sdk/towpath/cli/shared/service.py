"""Calls of the command line to the service, and its answers as tables."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click
from google.protobuf import json_format

from towpath.api.v1 import (
    access_service_pb2,
    auth_service_pb2,
    secret_service_pb2,
    tenant_service_pb2,
)
from towpath.cli.shared.errors import UNREACHABLE, CommandError
from towpath.cli.shared.session import print_json, settings_in_force
from towpath.cli.shared.tables import Column, print_table
from towpath.client._connect import open_transport, server_address
from towpath.exceptions import Conflict

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence

    from google.protobuf.message import Message

    from towpath._transport.base import Transport

_SERVICES: Final = {
    "AccessService": access_service_pb2,
    "AuthService": auth_service_pb2,
    "SecretService": secret_service_pb2,
    "TenantService": tenant_service_pb2,
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A column of a table of messages."""

    title: str
    cell: Callable[[Any], str]


def call(service: str, method: str, **fields: Any) -> Any:
    """Calls an rpc and returns its answer.

    Args:
        service: "AccessService".
        method: "CreateUser".
        fields: Fields of the request.

    Raises:
        TowpathError: It failed, or can't be made as things are set.
    """
    request: Message = getattr(_SERVICES[service], f"{method}Request")(**fields)
    with service_transport() as transport:
        return transport.unary(f"towpath.api.v1.{service}/{method}", request)


def call_pages(service: str, method: str, items: str, **fields: Any) -> list[Any]:
    """Calls a listing rpc until there is no more, and returns what it lists."""
    request = getattr(_SERVICES[service], f"{method}Request")(page_size=500, **fields)
    found: list[Any] = []
    with service_transport() as transport:
        while True:
            answer: Any = transport.unary(f"towpath.api.v1.{service}/{method}", request)
            found += getattr(answer, items)
            if not answer.next_page_token:
                return found
            request.page_token = answer.next_page_token


@contextmanager
def service_transport() -> Generator[Transport]:
    """A transport to the service; who has none is told that there is nobody to be asked."""
    settings = settings_in_force()
    with closing(open_transport(settings)) as transport:
        try:
            yield transport
        except Conflict as error:
            if server_address(settings) or error.metadata.get("feature") != "identity":
                raise
            raise CommandError(
                "nobody was asked: no server is configured, and none runs on this home",
                hint="`towpath server start`, or name one with --server HOST:PORT",
                code="UNAVAILABLE",
                exit_code=UNREACHABLE,
            ) from error


def show(messages: Sequence[Any], columns: Iterable[Shown], output: str) -> None:
    """Prints messages as `-o` says; "name" prints the first column."""
    shown = list(columns)
    if output == "json":
        print_json([as_json(message) for message in messages])
    elif output == "name":
        for message in messages:
            click.echo(shown[0].cell(message))
    else:
        print_table(
            [
                Column(title=column.title, cells=[column.cell(item) or "-" for item in messages])
                for column in shown
            ],
            wide=output == "wide",
        )


def as_json(message: Message) -> dict[str, Any]:
    """A message as the contract's JSON."""
    return json_format.MessageToDict(message, preserving_proto_field_name=True)


def moment(message: Any, field: str) -> str:
    """A time of a message, in local time to the minute; empty when it isn't set."""
    if not message.HasField(field):
        return ""
    at: datetime = getattr(message, field).ToDatetime(UTC)
    return f"{at.astimezone():%Y-%m-%d %H:%M}"


def ending(message: Any, field: str) -> str:
    """When a key ends, to go on a sentence about it."""
    return f"ends at {at}" if (at := moment(message, field)) else "never ends"


def workspace_name(workspace: str | None) -> str:
    """The resource name of a workspace; empty for none."""
    return f"workspaces/{workspace.removeprefix('workspaces/')}" if workspace else ""


def tenant_name(text: str) -> str:
    """The resource name of a tenant."""
    return f"tenants/{text.removeprefix('tenants/')}"


def principal_name(text: str) -> str:
    """The resource name of a user, by e-mail address, or of a service account, by id."""
    if "/" in text:
        return text
    return f"users/{text}" if "@" in text else f"serviceAccounts/{text}"


def role_name(text: str) -> str:
    """The resource name of a role."""
    return text if text.startswith("roles/") else f"roles/{text}"
