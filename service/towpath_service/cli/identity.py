"""The commands and options of `towpath server` that are about identity."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from towpath.settings import get_settings

from towpath_service.app.ages import show_age
from towpath_service.app.identity.key_sources import KeySource, file_source, parse_key_source
from towpath_service.cli.database import database_of, database_option
from towpath_service.cli.retention import Age
from towpath_service.core.errors import ServiceError
from towpath_service.identity.domain.principals import KEY_LIFE_SECONDS, parse_email

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from towpath_service.app.settings import TlsFiles
    from towpath_service.identity.application.tenants import MadeTenant

_FILE: Final = click.Path(path_type=Path)
_VARIABLE: Final = "TOWPATH_SERVER_KEY_ENCRYPTION_KEY"


class _Email(click.ParamType[str]):
    name = "email"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return parse_email(str(value), "owner")
        except ServiceError as error:
            self.fail(f"{error.violations[0].description}.", param, ctx)


class _Source(click.ParamType[KeySource]):
    name = "source"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> KeySource:
        try:
            return parse_key_source(str(value))
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


owner_option = click.option(
    "--owner",
    type=_Email(),
    default="owner@localhost",
    show_default=True,
    metavar="EMAIL",
    help="First owner, should there be none.",
)
key_file_option = click.option(
    "--key-file",
    type=_FILE,
    envvar="TOWPATH_SERVER_KEY_FILE",
    help="Key that seals the service's secrets.  [default: server.key in the Towpath home]",
)


def access_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds what `server start` takes about identity and TLS; hands it on as `access`."""

    @wraps(command)
    def with_access(
        *arguments: Any,
        tls_cert: Path | None,
        tls_key: Path | None,
        tls_client_ca: Path | None,
        auth: bool,
        owner: str,
        key_file: Path | None,
        cloud: bool,
        behind_tls_proxy: bool,
        private_issuers: bool,
        public_url: str | None,
        **options: Any,
    ) -> Any:
        access = {
            "auth": auth,
            "owner": owner,
            "key_file": key_file,
            "cloud": cloud,
            "tls": _tls_files(tls_cert, tls_key, tls_client_ca),
            "tls_proxy": behind_tls_proxy,
            "private_issuers": private_issuers,
            "public_url": public_url,
        }
        return command(*arguments, access=access, **options)

    for option in reversed(_ACCESS_OPTIONS):
        with_access = option(with_access)
    return with_access


class PublicUrl(click.ParamType[str]):
    """The address of a service, as others know it."""

    name = "URL"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """As issuers are written."""
        from towpath_service.app.identity.public_url import parse_public_url  # noqa: PLC0415 - heavy

        try:
            return parse_public_url(str(value))
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


_ACCESS_OPTIONS: Final = (
    click.option("--auth", is_flag=True, help="Switch identity on: callers need keys."),
    owner_option,
    key_file_option,
    click.option(
        "--cloud", is_flag=True, help="Refuse to run without identity, TLS and PostgreSQL."
    ),
    click.option(
        "--tls-cert",
        type=_FILE,
        envvar="TOWPATH_SERVER_TLS_CERT",
        help="Certificate chain of both ports, PEM; read again when it changes.",
    ),
    click.option("--tls-key", type=_FILE, envvar="TOWPATH_SERVER_TLS_KEY", help="Its key, PEM."),
    click.option(
        "--tls-client-ca",
        type=_FILE,
        envvar="TOWPATH_SERVER_TLS_CLIENT_CA",
        help="Authority that callers' own certificates must come from.",
    ),
    click.option(
        "--behind-tls-proxy",
        is_flag=True,
        help="A proxy speaks TLS for this server, and adds who calls to X-Forwarded-For.",
    ),
    click.option(
        "--private-issuers",
        is_flag=True,
        help="Issuers of tokens may be on this machine and on private networks.",
    ),
    click.option(
        "--public-url",
        type=PublicUrl(),
        envvar="TOWPATH_SERVER_PUBLIC_URL",
        help="Where others reach the web port: the issuer of access tokens, the same for all"
        " replicas.",
    ),
)


def _tls_files(
    certificate: Path | None, key: Path | None, client_authority: Path | None
) -> TlsFiles | None:
    from towpath_service.app.settings import TlsFiles  # noqa: PLC0415 - heavy

    if certificate is not None and key is not None:
        return TlsFiles(certificate=certificate, key=key, client_authority=client_authority)
    if certificate is not None or key is not None:
        raise click.UsageError("--tls-cert and --tls-key belong together: give both")
    if client_authority is not None:
        raise click.UsageError("--tls-client-ca needs --tls-cert and --tls-key")
    return None


@click.command("init-auth")
@database_option
@owner_option
@key_file_option
@click.option(
    "--expires",
    type=Age(),
    metavar="AGE",
    default=show_age(KEY_LIFE_SECONDS),
    show_default=True,
    help="After how long the owner's first key ends; 12h, 90d or forever.",
)
def init_auth(
    database: str | None, owner: str, key_file: Path | None, expires: float | None
) -> None:
    """Switch identity on: keys of the service, the first tenant, its owner and their API key.

    From then on every server on this database asks its callers for keys. Those that run already
    stop within seconds, for good or until whatever looks after them starts them again.
    """
    from towpath_service.app.identity.switching import identity_wanted, switch_on  # noqa: PLC0415 - heavy

    home = get_settings().home
    wanted = identity_wanted(home, file_source(key_file), make=True)
    made = _run(switch_on(database_of(database, home), wanted, owner, key_seconds=expires))
    if made is None:
        raise click.ClickException(
            "identity is on already. An owner makes keys with `towpath key create`; if no key of"
            " an owner is left, `towpath server recover-owner` makes one"
        )
    tell_first_key(made)
    click.echo(
        "Servers that run on this database stop within seconds, with exit code 1: start them again,"
        " and they ask for keys.",
        err=True,
    )


@click.command("recover-owner")
@database_option
@key_file_option
def recover_owner(database: str | None, key_file: Path | None) -> None:
    """Make another API key for an owner, for whoever has lost all of theirs."""
    from towpath_service.app.identity.switching import identity_wanted, recover  # noqa: PLC0415 - heavy

    home = get_settings().home
    wanted = identity_wanted(home, file_source(key_file))
    tell_first_key(_run(recover(database_of(database, home), wanted)))


@click.command("rotate-keys")
@database_option
@key_file_option
@click.option(
    "--key",
    type=_Source(),
    help="What all is sealed with, should it be none of the usual: as --new-key.",
)
@click.option(
    "--new-key-file",
    type=_FILE,
    help="Seal all keys with the key in this file, which is made when there is none.",
)
@click.option(
    "--new-key",
    type=_Source(),
    help="Seal all keys with another key: file:PATH, env:NAME of a variable, or hook:NAME of an"
    " entry point that asks a key management service.",
)
@click.option(
    "--data-keys", is_flag=True, help="Make new data keys, and seal the values of secrets anew."
)
@click.option(
    "--pepper", is_flag=True, help="Make a new pepper, which API keys made from then on are under."
)
def rotate_keys(
    database: str | None,
    key_file: Path | None,
    key: KeySource | None,
    new_key_file: Path | None,
    new_key: KeySource | None,
    *,
    data_keys: bool,
    pepper: bool,
) -> None:
    """Make a new key that signs access tokens; no token that was given out is refused.

    It is used in two minutes, when every replica knows it. With --new-key or --new-key-file, the
    service's keys, and those of tenants' secrets, are sealed anew instead: restart the replicas
    with that key then. With --data-keys, the values of secrets are sealed with new keys, while
    servers run. With --pepper, API keys made from now on are hashed under another pepper.
    """
    from towpath_service.app.identity import switching  # noqa: PLC0415 - heavy

    if sum([data_keys, pepper, new_key_file is not None, new_key is not None]) > 1:
        raise click.UsageError(
            "--data-keys, --pepper, --new-key and --new-key-file are different steps: take one at"
            " a time"
        )
    home = get_settings().home
    target = database_of(database, home)
    wanted = switching.identity_wanted(home, key or file_source(key_file))
    following = new_key or file_source(new_key_file)
    if data_keys:
        done = _run(switching.rotate_data_keys(target, wanted, _tell_progress))
        click.echo(f"{done} values are sealed with new data keys; those of before are destroyed.")
    elif pepper:
        version = _run(switching.rotate_pepper(target, wanted))
        click.echo(
            f"Version {version} of the pepper hashes the API keys that are made from 2 minutes from"
            " now on. Those made before go on; when none is left that holds, theirs is removed."
        )
    elif following is None:
        key_id = _run(switching.rotate_signing(target, wanted))
        click.echo(f"Key {key_id} signs access tokens from 2 minutes from now on.")
    else:
        sealed_by = switching.identity_wanted(home, following, make=True)
        count = _run(switching.seal_anew(target, wanted, sealed_by))
        click.echo(f"{count} keys are sealed with {following}: {_restart(following)}")


def _restart(key: KeySource) -> str:
    """What is to be done once all is sealed with another key."""
    how = {
        "file": f"with --key-file {key.name}",
        "env": f"with that key as {_VARIABLE}, and without --key-file",
        "hook": "where that hook is installed, and without --key-file",
    }
    return f"restart every server {how[key.kind]}, then remove the old key."


def _tell_progress(done: int) -> None:
    click.echo(f"{done} values are sealed anew", err=True)


def tell_first_key(made: MadeTenant) -> None:
    """Shows a key, which is never shown again."""
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


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    try:
        return asyncio.run(work)
    except ServiceError as error:
        raise click.ClickException(error.message) from None
