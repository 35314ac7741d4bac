"""`towpath key`."""

from __future__ import annotations

import os
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import click

from towpath.cli.shared.groups import CommandGroup
from towpath.cli.shared.output import (
    json_object,
    list_output,
    print_json,
    print_list,
    text_output,
)
from towpath.cli.shared.profile_key import ProfileKey, is_key_of
from towpath.cli.shared.session import confirmed, invocation, note, service_client, yes_option
from towpath.cli.shared.times import expiry, local_minute, parse_duration
from towpath.exceptions import ConfigurationError, InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from towpath.client import ApiKey, NewApiKey

_SOON: Final = timedelta(days=14)
_LONGEST: Final = timedelta(days=9999)
"""Beyond any limit of the service, which its own errors name."""
_KINDS: Final = {"api_key": "API key", "sign_in": "login", "trust": "trust"}


class _Duration(click.ParamType[timedelta]):
    name = "DURATION"

    def __init__(self, *, zero: bool) -> None:
        self._zero = zero

    def convert(self, value: Any, param: Any, ctx: Any) -> timedelta:
        try:
            span = timedelta() if value == "0" else parse_duration(str(value), units="mhd")
        except ValueError as error:
            self.fail(f"{error}: give one such as 30m, 12h or 90d", param, ctx)
        if span > _LONGEST:
            self.fail(f"{value!r} is too long: give a duration such as 30m, 12h or 90d", param, ctx)
        if not span and not self._zero:
            self.fail("must be more than 0: give a duration such as 30m, 12h or 90d", param, ctx)
        return span


@contextmanager
def _option_named(option: str, *, field: str) -> Generator[None]:
    """Names an option in an error that names the request's field."""
    try:
        yield
    except InvalidRequest as error:
        _, named, problem = str(error).partition(f"{field}: ")
        if not named:
            raise
        raise click.UsageError(f"{option} {problem}") from None


@click.group(cls=CommandGroup)
def group() -> None:
    """Manage API keys."""


@group.command()
@click.option("--name", default="", help="Display name.")
@click.option(
    "--for",
    "owner",
    metavar="PRINCIPAL",
    help="Owner: a service account, or a member who lost their keys.  [default: you]",
)
@click.option("--permission", multiple=True, help="Permission to limit the key to; repeatable.")
@click.option("--workspace", multiple=True, help="Workspace to limit the key to; repeatable.")
@click.option(
    "--expires",
    type=_Duration(zero=False),
    help="Time until the key expires, at most 365d.  [default: 90d]",
)
@text_output
def create(
    name: str,
    owner: str | None,
    permission: Sequence[str],
    workspace: Sequence[str],
    expires: timedelta | None,
    output: str,
) -> None:
    """Create an API key and show it once."""
    with service_client() as client, _option_named("--expires", field="life"):
        created = client.keys.create(
            owner, name=name, permissions=permission, workspaces=workspace, life=expires
        )
    _show_once(created, output)


@group.command("ls")
@click.option("--of", "owner", metavar="PRINCIPAL", help="Owner of the keys.  [default: you]")
@list_output
def list_keys(owner: str | None, output: str) -> None:
    """List API keys, without the keys themselves."""
    with service_client() as client:
        keys = list(client.keys.list(owner))
    print_list(
        keys,
        {
            "ID": lambda key: key.id,
            "KIND": lambda key: _KINDS.get(key.kind, ""),
            "NAME": lambda key: key.name,
            "STATE": _state,
            "EXPIRES": lambda key: local_minute(key.expires) or "never",
            "LAST USED": lambda key: local_minute(key.used),
            "LIMITS": lambda key: ", ".join(_limits(key)),
            "CREATED BY": lambda key: key.creator,
        },
        output,
        as_json=_as_json,
    )
    for key in filter(_expires_soon, keys):
        note(f"{key.id} {expiry(key.expires)}: `towpath key rotate {key.id}` creates its successor")


@group.command()
@click.argument("key_id")
@click.option(
    "--overlap",
    type=_Duration(zero=True),
    help="Time until the old key expires, at most 7d.  [default: 1d]",
)
@click.option(
    "--keep", is_flag=True, help="Save the new key in the profile that has the old one, unseen."
)
@text_output
def rotate(key_id: str, overlap: timedelta | None, output: str, *, keep: bool) -> None:
    """Create a successor of an API key; the old key works for a while longer."""
    kept = ProfileKey(invocation().profile)
    if keep and not kept.is_of(key_id):
        raise click.UsageError(f"profile {kept.profile} doesn't hold {key_id}: leave --keep out")
    with service_client() as client, _option_named("--overlap", field="overlap"):
        created = client.keys.rotate(key_id, overlap=overlap)
    if keep:
        _save(kept, created, output)
        return
    _show_once(created, output)
    if kept.is_of(key_id):
        note(
            f"Profile {kept.profile} still has the old key: `towpath login --api-key -` reads the"
            " new one and saves it instead."
        )
    if is_key_of(os.environ.get("TOWPATH_API_KEY", ""), key_id):
        note("TOWPATH_API_KEY still has the old key: set it to the new one before that expires.")


@group.command()
@click.argument("key_id")
@yes_option
def revoke(key_id: str, *, yes: bool) -> None:
    """Revoke an API key at once, everywhere."""
    if not confirmed(f"Calls with {key_id} will be refused. Go on?", yes=yes):
        return
    with service_client() as client:
        revoked = client.keys.revoke(key_id)
    note(f"{revoked.resource_name} revoked")


def _save(kept: ProfileKey, created: NewApiKey, output: str) -> None:
    try:
        kept.replace(created.key)
    except ConfigurationError:
        _show_once(created, output)  # The key would be lost.
        raise
    if output == "json":
        print_json({"api_key": _as_json(created.api_key)})
    note(f"{created.api_key.resource_name} saved in profile {kept.profile}, instead of the old key")


def _show_once(created: NewApiKey, output: str) -> None:
    if output == "json":
        print_json({"key": created.key, "api_key": _as_json(created.api_key)})
        return
    key = created.api_key
    note(f"{key.resource_name}, shown only once, {expiry(key.expires)}:")
    click.echo(created.key)


def _state(key: ApiKey) -> str:
    if key.revoked:
        return "revoked"
    if _expires_within(key, timedelta(0)):
        return "expired"
    return f"replaced by {key.replaced_by}" if key.replaced_by else "active"


def _expires_soon(key: ApiKey) -> bool:
    """Whether a key needs a successor soon."""
    return key.kind == "api_key" and _state(key) == "active" and _expires_within(key, _SOON)


def _expires_within(key: ApiKey, span: timedelta) -> bool:
    return key.expires is not None and key.expires <= datetime.now(UTC) + span


def _limits(key: ApiKey) -> list[str]:
    return [*key.permissions, *_workspace_names(key)]


def _workspace_names(key: ApiKey) -> list[str]:
    return [f"workspaces/{workspace}" for workspace in key.workspaces]


def _as_json(key: ApiKey) -> dict[str, Any]:
    return json_object(
        name=key.resource_name,
        display_name=key.name,
        key_id=key.id,
        limits=json_object(permissions=key.permissions, workspaces=_workspace_names(key)),
        expire_time=key.expires,
        use_time=key.used,
        revoke_time=key.revoked,
        create_time=key.created,
        creator=key.creator,
        replaced_by=key.replaced_by,
        kind=key.kind and f"CREDENTIAL_KIND_{key.kind.upper()}",
    )
