"""`towpath key`."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import click
from google.protobuf.duration_pb2 import Duration

from towpath.api.v1 import access_service_pb2
from towpath.cli.identity.profile_key import ProfileKey, is_key_of
from towpath.cli.shared.groups import CommandGroup
from towpath.cli.shared.service import (
    Shown,
    as_json,
    call,
    call_pages,
    ending,
    moment,
    principal_name,
    show,
    workspace_name,
)
from towpath.cli.shared.session import (
    confirmed,
    invocation,
    list_output,
    note,
    print_json,
    text_output,
)
from towpath.exceptions import ConfigurationError, InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

_API_KEY: Final = 1
_SOON: Final = timedelta(days=14)
_KINDS: Final = {_API_KEY: "API key", 2: "login", 3: "trust"}
_SECONDS: Final = {"m": 60, "h": 3600, "d": 86_400}


class _Span(click.ParamType[Duration]):
    name = "AGE"

    def __init__(self, *, zero: bool) -> None:
        self._zero = zero

    def convert(self, value: Any, param: Any, ctx: Any) -> Duration:
        match = re.fullmatch(r"(\d{1,4})([mhd])", str(value)) or re.fullmatch(r"(0)()", str(value))
        if match is None:
            self.fail(f"{value!r} is no time: write 30m, 12h or 90d", param, ctx)
        seconds = int(match[1]) * _SECONDS.get(match[2], 0)
        if not seconds and not self._zero:
            self.fail("a key must hold for more than 0: write 30m, 12h or 90d", param, ctx)
        return Duration(seconds=seconds)


@contextmanager
def _saying(option: str, *, field: str) -> Generator[None]:
    """Names an option where the service names the field that it sets."""
    try:
        yield
    except InvalidRequest as error:
        _, named, wrong = str(error).partition(f"{field}: ")
        if not named:
            raise
        raise click.UsageError(f"{option} {wrong}") from None


@click.group(cls=CommandGroup)
def group() -> None:
    """Make, rotate and revoke API keys."""


@group.command()
@click.option("--name", default="", help="Name to show.")
@click.option(
    "--for",
    "owner",
    metavar="PRINCIPAL",
    help="Service account, or member who has lost their keys; else yourself.",
)
@click.option("--permission", multiple=True, help="Limit it to this permission; repeat for more.")
@click.option("--workspace", multiple=True, help="Limit it to this workspace; repeat for more.")
@click.option(
    "--expires",
    type=_Span(zero=False),
    help="After how long it ends, at most 365d.  [default: 90d]",
)
@text_output
def create(
    name: str,
    owner: str | None,
    permission: Sequence[str],
    workspace: Sequence[str],
    expires: Duration | None,
    output: str,
) -> None:
    """Make a key, and show it this once."""
    limits = access_service_pb2.ApiKeyLimits(
        permissions=permission, workspaces=[workspace_name(item) for item in workspace]
    )
    with _saying("--expires", field="life"):
        answer = call(
            *("AccessService", "CreateApiKey"),
            parent=principal_name(owner) if owner else "",
            display_name=name,
            limits=limits,
            life=expires,
        )
    _show_once(answer, output)


@group.command("ls")
@click.option("--of", "owner", metavar="PRINCIPAL", help="Whose; else your own.")
@list_output
def list_keys(owner: str | None, output: str) -> None:
    """List keys, without the keys themselves."""
    parent = principal_name(owner) if owner else ""
    keys = call_pages("AccessService", "ListApiKeys", "api_keys", parent=parent)
    show(
        keys,
        (
            Shown("ID", lambda key: key.key_id),
            Shown("KIND", lambda key: _KINDS.get(key.kind, "")),
            Shown("NAME", lambda key: key.display_name),
            Shown("STATE", _state),
            Shown("EXPIRES", lambda key: moment(key, "expire_time") or "never"),
            Shown("LAST USED", lambda key: moment(key, "use_time")),
            Shown("LIMITS", _limits),
            Shown("MADE BY", lambda key: key.creator),
        ),
        output,
    )
    for key in filter(_ends_soon, keys):
        note(
            f"{key.key_id} {ending(key, 'expire_time')}: `towpath key rotate {key.key_id}` makes"
            " its successor"
        )


@group.command()
@click.argument("key_id")
@click.option(
    "--overlap",
    type=_Span(zero=True),
    help="How long the old one holds on, at most 7d.  [default: 1d]",
)
@click.option(
    "--keep", is_flag=True, help="Keep it in the profile that has the old one, and don't show it."
)
@text_output
def rotate(key_id: str, overlap: Duration | None, output: str, *, keep: bool) -> None:
    """Make a successor of a key; the old one holds for a while longer."""
    kept = ProfileKey(invocation().profile)
    if keep and not kept.is_of(key_id):
        raise click.UsageError(f"profile {kept.profile} doesn't hold {key_id}: leave --keep out")
    with _saying("--overlap", field="overlap"):
        answer = call("AccessService", "RotateApiKey", name=key_id, overlap=overlap)
    if keep:
        _keep(kept, answer, output)
        return
    _show_once(answer, output)
    if kept.is_of(key_id):
        note(
            f"Profile {kept.profile} still has the old one: `towpath login --api-key -` reads the"
            " new one and keeps it in its place."
        )
    if is_key_of(os.environ.get("TOWPATH_API_KEY", ""), key_id):
        note("TOWPATH_API_KEY still has the old one: set it anew before that ends.")


@group.command()
@click.argument("key_id")
@click.option("--yes", is_flag=True, help="Don't ask.")
def revoke(key_id: str, *, yes: bool) -> None:
    """End a key at once, everywhere."""
    if not confirmed(f"Whatever uses {key_id} is refused from now on. Go on?", yes=yes):
        return
    answer = call("AccessService", "RevokeApiKey", name=key_id)
    note(f"{answer.api_key.name} is revoked")


def _keep(kept: ProfileKey, answer: Any, output: str) -> None:
    try:
        kept.replace(answer.key)
    except ConfigurationError:
        _show_once(answer, output)  # else nobody would ever have it
        raise
    if output == "json":
        print_json({"api_key": as_json(answer.api_key)})
    note(f"{answer.api_key.name} is kept in profile {kept.profile}, in place of the old one")


def _show_once(answer: Any, output: str) -> None:
    if output == "json":
        print_json({"key": answer.key, "api_key": as_json(answer.api_key)})
        return
    note(f"{answer.api_key.name}, shown this once, {ending(answer.api_key, 'expire_time')}:")
    click.echo(answer.key)


def _state(key: Any) -> str:
    if key.HasField("revoke_time"):
        return "revoked"
    if _ends_within(key, timedelta(0)):
        return "expired"
    return f"replaced by {key.replaced_by}" if key.replaced_by else "holds"


def _ends_soon(key: Any) -> bool:
    """Whether somebody has to see to a key before it ends."""
    return key.kind == _API_KEY and _state(key) == "holds" and _ends_within(key, _SOON)


def _ends_within(key: Any, span: timedelta) -> bool:
    if not key.HasField("expire_time"):
        return False
    end: datetime = key.expire_time.ToDatetime(UTC)
    return end <= datetime.now(UTC) + span


def _limits(key: Any) -> str:
    return ", ".join([*key.limits.permissions, *key.limits.workspaces])
