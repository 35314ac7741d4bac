"""The commands of `towpath server` that enable identity, recover owners and rotate keys."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
from towpath.settings import get_settings

from towpath_service.app.ages import parse_age, show_age
from towpath_service.app.declarations import Text
from towpath_service.app.identity.key_sources import (
    KEY_VARIABLE,
    KeySource,
    file_source,
    parse_key_source,
)
from towpath_service.app.identity.secret_keys import sealing_of
from towpath_service.app.options import DatabaseOptions, IdentityOptions
from towpath_service.cli.database_option import parsed_database
from towpath_service.cli.options import ParsedText, takes, takes_one
from towpath_service.cli.progress import progress
from towpath_service.core.errors import ServiceError
from towpath_service.identity.domain.principals import KEY_LIFE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from towpath_service.identity.application.tenants import MadeTenant

Result = TypeVar("Result")

_UNSHOWN_KEY_SECONDS: Final = 1.0
"""Life of a key that is shown to nobody."""

_FILE: Final = click.Path(path_type=Path)
_KEY_SOURCE: Final = ParsedText(Text("SOURCE", parse_key_source))


@click.command("init-auth")
@takes(DatabaseOptions, "database")
@takes_one(IdentityOptions, "owner")
@takes_one(IdentityOptions, "key_file")
@click.option(
    "--expires",
    type=ParsedText(Text("AGE", parse_age)),
    metavar="AGE",
    default=show_age(KEY_LIFE_SECONDS),
    show_default=True,
    help="Life of the owner's first key; 12h, 90d or forever.",
)
@click.option(
    "--no-key",
    is_flag=True,
    help="Show no key, and succeed where identity is on already: for installers, whose output is"
    " kept. `towpath server recover-owner` makes a key.",
)
def init_auth(
    database: DatabaseOptions,
    owner: str,
    key_file: Path | None,
    expires: float | None,
    *,
    no_key: bool,
) -> None:
    """Switch identity on: make the first tenant, its owner and their API key.

    From then on every server on this database asks its callers for keys. Servers that run already
    stop within seconds; start them again, unless a supervisor does.
    """
    from towpath_service.app.identity.bootstrap import enable_identity  # noqa: PLC0415 - SQLAlchemy and cryptography, 1 s

    home = get_settings().home
    sealing = sealing_of(home, file_source(key_file))
    target = parsed_database(database, home)
    life = _UNSHOWN_KEY_SECONDS if no_key else expires
    made = _run(enable_identity(target, sealing, owner, key_seconds=life))
    if no_key:
        owned = "was on already" if made is None else f"is on. {made.owner.handle} is the owner"
        click.echo(f"Identity {owned}. `towpath server recover-owner` makes a key.", err=True)
        return
    if made is None:
        raise click.ClickException(
            "identity is on already. An owner makes keys with `towpath key create`; if no owner has"
            " a key left, run `towpath server recover-owner`"
        )
    show_first_key(made)
    click.echo(
        "Servers that run on this database stop within seconds, with exit code 1: start them again,"
        " and they ask for keys.",
        err=True,
    )


@click.command("recover-owner")
@takes(DatabaseOptions, "database")
@takes_one(IdentityOptions, "key_file")
def recover_owner(database: DatabaseOptions, key_file: Path | None) -> None:
    """Make another API key for an owner, when every owner key is lost."""
    from towpath_service.app.identity import bootstrap  # noqa: PLC0415 - the identity layer, 1 s

    home = get_settings().home
    sealing = sealing_of(home, file_source(key_file))
    show_first_key(_run(bootstrap.recover_owner(parsed_database(database, home), sealing)))


@click.command("rotate-keys")
@takes(DatabaseOptions, "database")
@takes_one(IdentityOptions, "key_file")
@click.option(
    "--key",
    type=_KEY_SOURCE,
    help="Key that seals the service's keys now, if it is in no usual place: written as --new-key.",
)
@click.option(
    "--new-key-file",
    type=_FILE,
    help="Seal all keys with the key in this file, which is made when there is none.",
)
@click.option(
    "--new-key",
    type=_KEY_SOURCE,
    help="Seal all keys with another key: file:PATH, env:NAME of a variable, or hook:NAME of an"
    " entry point that asks a key management service.",
)
@click.option(
    "--data-keys", is_flag=True, help="Make new data keys, and seal the values of secrets anew."
)
@click.option(
    "--pepper", is_flag=True, help="Make a new pepper, which hashes API keys made from then on."
)
def rotate_keys(
    database: DatabaseOptions,
    key_file: Path | None,
    key: KeySource | None,
    new_key_file: Path | None,
    new_key: KeySource | None,
    *,
    data_keys: bool,
    pepper: bool,
) -> None:
    """Make a new key that signs access tokens; tokens in use stay valid.

    The key signs after two minutes, when every replica knows it. With --new-key or --new-key-file,
    the service's keys, and those of tenants' secrets, are sealed anew instead: restart the replicas
    with that key then. With --data-keys, the values of secrets are sealed with new keys, while
    servers run. With --pepper, API keys made from now on are hashed under another pepper.
    """
    if sum([data_keys, pepper, new_key_file is not None, new_key is not None]) > 1:
        raise click.UsageError(
            "--data-keys, --pepper, --new-key and --new-key-file are different steps: give one at"
            " a time"
        )
    from towpath_service.app.identity import key_rotation  # noqa: PLC0415 - 1 s, which refused options don't wait for

    home = get_settings().home
    target = parsed_database(database, home)
    sealing = sealing_of(home, key or file_source(key_file))
    following = new_key or file_source(new_key_file)
    if data_keys:
        with progress("sealing", unit="values") as shown:

            def on_progress(moved: int) -> None:
                shown.done = moved

            done = _run(key_rotation.rotate_data_keys(target, sealing, on_progress))
        click.echo(f"{done} values are sealed with new data keys; the old data keys are destroyed.")
    elif pepper:
        version = _run(key_rotation.rotate_pepper(target, sealing))
        click.echo(
            f"Version {version} of the pepper hashes the API keys that are made from 2 minutes from"
            " now on. Older API keys stay valid; their pepper is removed with the last of them."
        )
    elif following is None:
        key_id = _run(key_rotation.rotate_signing_key(target, sealing))
        click.echo(f"Key {key_id} signs access tokens from 2 minutes from now on.")
    else:
        count = _run(key_rotation.reseal_keys(target, sealing, sealing_of(home, following)))
        click.echo(f"{count} keys are sealed with {following}: {_restart(following)}")


def _restart(key: KeySource) -> str:
    """The next step once all keys are sealed with another key."""
    how = {
        "file": f"with --key-file {key.name}",
        "env": f"with that key as {KEY_VARIABLE}, and without --key-file",
        "hook": "where that hook is installed, and without --key-file",
    }
    return f"restart every server {how[key.kind]}, then remove the old key."


def show_first_key(made: MadeTenant) -> None:
    """Shows the owner's API key, which is never shown again."""
    click.echo(
        f"Identity is on. {made.owner.handle} owns tenant {made.tenant.slug}. Their API key, shown"
        f" this once, {_end_of(made)}:",
        err=True,
    )
    click.echo(made.api_key)
    click.echo(
        "Use it as TOWPATH_API_KEY, or keep it in your profile with `towpath login`.", err=True
    )


def _end_of(made: MadeTenant) -> str:
    if made.expires_us is None:
        return "never ends"
    end = datetime.fromtimestamp(made.expires_us / 1e6, UTC).astimezone()
    return f"ends at {end:%Y-%m-%d %H:%M}"


def _run(work: Coroutine[Any, Any, Result]) -> Result:
    import asyncio  # noqa: PLC0415 - 0.05 s, which `--help` doesn't wait for

    try:
        return asyncio.run(work)
    except ServiceError as error:
        raise click.ClickException(error.message) from None
