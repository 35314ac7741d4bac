"""`towpath login`, `logout` and `whoami`."""

from __future__ import annotations

import sys
from typing import Any

import click

from towpath._settings.declared import BY_NAME
from towpath._settings.files import write_config
from towpath._settings.layers import chosen_profile, user_config
from towpath.cli._service import as_json, call
from towpath.cli._session import invocation, note, print_json, text_output
from towpath.settings import use_flags

_KEY = "server.api_key"


@click.command()
@click.option(
    "--api-key",
    metavar="-",
    help="Read the key from standard input (-); else it is asked for.",
)
@click.option("--server", metavar="HOST:PORT", help="Keep this server in the profile, too.")
@click.option("--ca-file", metavar="FILE", help="Keep this authority in the profile, too.")
def login(api_key: str | None, server: str | None, ca_file: str | None) -> None:
    """Keep an API key in the profile, once the server has taken it."""
    if api_key not in {None, "-"}:
        raise click.UsageError(
            "a key on the command line ends up in its history: give - and pipe it in, or leave it"
            " out and be asked"
        )
    config = user_config()
    profile = chosen_profile(config, invocation().profile)
    kept = config.profiles.setdefault(profile, {})
    asked = {_KEY: _read_key(piped=api_key == "-")}
    asked |= {"server.address": server} if server else {}
    asked |= {"server.ca_file": ca_file} if ca_file else {}
    values = {name: _checked(name, value) for name, value in asked.items()}
    use_flags({**{k: str(v) for k, v in kept.items()}, **values}, profile=invocation().profile)
    answer = call("AuthService", "GetCaller")
    kept.update(values)
    write_config(config)
    note(f"{answer.actor.principal} is signed in, in profile {profile}: {config.path}")


@click.command()
def logout() -> None:
    """Take the API key out of the profile; `towpath key revoke` ends the key itself."""
    config = user_config()
    profile = chosen_profile(config, invocation().profile)
    if config.profiles.get(profile, {}).pop(_KEY, None) is None:
        note(f"profile {profile} holds no key: nothing to do")
        return
    write_config(config)
    note(f"the key is gone from profile {profile}")


@click.command()
@text_output
def whoami(output: str) -> None:
    """Show who you are to the service, and what you may do."""
    answer = call("AuthService", "GetCaller")
    if output == "json":
        print_json(as_json(answer))
        return
    if not answer.identity:
        click.echo("This server asks nobody who they are: everything is permitted.")
        return
    for label, text in _lines(answer):
        click.echo(f"{label:<12}{text}")


def _lines(answer: Any) -> list[tuple[str, str]]:
    lines = [
        ("principal", answer.actor.principal),
        ("tenant", answer.tenant_id),
        ("key", answer.credential_id),
        ("tenant may", ", ".join(answer.tenant_permissions) or "nothing"),
    ]
    lines += [
        (grant.workspace.removeprefix("workspaces/"), ", ".join(grant.permissions))
        for grant in answer.workspace_grants
    ]
    return lines


def _read_key(*, piped: bool) -> str:
    if piped:
        return sys.stdin.readline().strip()
    if invocation().no_input or not sys.stdin.isatty():
        raise click.UsageError("nobody is there to be asked: pipe the key in with --api-key -")
    text: str = click.prompt("API key", hide_input=True, err=True)
    return text.strip()


def _checked(name: str, value: str) -> str:
    try:
        return str(BY_NAME[name].read(value))
    except (ValueError, TypeError) as error:
        raise click.UsageError(f"{name} {error}") from None
