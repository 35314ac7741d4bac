"""`towpath login` and `logout`."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

import click

from towpath._settings.current import get_settings
from towpath._settings.declared import BY_NAME
from towpath._settings.layers import chosen_profile, user_config
from towpath._transport.opening import host_of
from towpath._transport.service import server_address
from towpath._transport.sources import SignIn, write_sign_in
from towpath.cli.identity.devices import approve_device, sign_in_device
from towpath.cli.identity.login_profile import SIGN_IN_FILE, LoginProfile
from towpath.cli.shared.errors import CommandError
from towpath.cli.shared.profile_key import API_KEY, winning_variables
from towpath.cli.shared.session import invocation, note, service_client, yes_option
from towpath.exceptions import TowpathError

if TYPE_CHECKING:
    from towpath.client import Login, SignInOptions

Way = Literal["key", "browser", "device"]


@click.command()
@click.option(
    "--api-key",
    metavar="-",
    help="Read an API key from standard input (-) and save it.",
)
@click.option("--browser", "way", flag_value="browser", help="Sign in with a browser.")
@click.option("--device", "way", flag_value="device", help="Sign in with a code that is shown.")
@click.option("--approve", metavar="CODE", help="Sign in the device that shows this code, as you.")
@click.option("--tenant", help="Tenant to sign in to; saved in the profile.")
@click.option("--server", metavar="HOST:PORT", help="Server to save in the profile, too.")
@click.option("--ca-file", metavar="FILE", help="Certificate authority to save, too.")
@yes_option
def login(
    api_key: str | None,
    way: Way | None,
    approve: str | None,
    tenant: str | None,
    server: str | None,
    ca_file: str | None,
    *,
    yes: bool,
) -> None:
    """Sign in and save the credential in the profile.

    Uses a browser if the tenant has an issuer, else asks for an API key.
    """
    if api_key not in {None, "-"}:
        raise click.UsageError(
            "a key on the command line ends up in the shell's history: give - and pipe the key in,"
            " or leave it out to be asked for it"
        )
    if approve is not None:
        approve_device(approve, yes=yes)
        return
    profile = _profile()
    given = {"server.address": server, "server.ca_file": ca_file, "server.tenant": tenant}
    profile.asked = {name: _checked(name, value) for name, value in given.items() if value}
    if api_key is not None or (way is None and not _has_issuer(profile)):
        _save_key(profile, piped=api_key is not None)
    else:
        _sign_in(profile, way or "browser")


@click.command()
def logout() -> None:
    """Sign out, or remove the API key from the profile.

    `towpath key revoke` revokes a key.
    """
    profile = _profile()
    key, file = profile.kept.get(API_KEY), profile.kept.get(SIGN_IN_FILE)
    for variable in winning_variables():
        note(f"{variable} is still set, and calls go on using it: unset it to sign out fully")
    if key is None and file is None:
        note(f"profile {profile.name} holds no key and no login: nothing to do")
        return
    ended = True
    if file is not None:
        profile.use(server_sign_in_file=str(file))
        ended = _signed_out()
        profile.file.unlink(missing_ok=True)
    profile.keep()
    note(f"{'key' if file is None else 'login'} removed from profile {profile.name}")
    if not ended:
        note("The server wasn't reached: end the login there with `towpath key revoke`.")


def _profile() -> LoginProfile:
    config = user_config()
    return LoginProfile(config, chosen_profile(config, invocation().profile))


def _has_issuer(profile: LoginProfile) -> bool:
    """Whether people sign in at an issuer, and there is a terminal to do so."""
    if invocation().no_input or not sys.stdin.isatty():
        return False
    profile.use()
    with service_client() as client:
        return bool(client.sign_in.options(_tenant(profile)).issuer)


def _tenant(profile: LoginProfile) -> str:
    return profile.asked.get("server.tenant") or get_settings().tenant


def _save_key(profile: LoginProfile, *, piped: bool) -> None:
    key = _checked(API_KEY, _read_key(piped=piped))
    profile.use(server_api_key=key)
    with service_client() as client:
        caller = client.whoami()
    profile.keep(server_api_key=key)
    profile.announce(caller.principal)


def _sign_in(profile: LoginProfile, way: Way) -> None:
    profile.use()
    tenant = _tenant(profile)
    with service_client() as client:
        token = _from_issuer(client.sign_in.options(tenant), way)
        if token:
            signed_in = client.sign_in.exchange_id_token(token, tenant=tenant)
        else:
            signed_in = sign_in_device(client)
    write_sign_in(profile.file, _to_keep(signed_in))
    profile.keep(server_sign_in_file=str(profile.file))
    profile.announce(signed_in.principal)


def _to_keep(signed_in: Login) -> SignIn:
    return SignIn(
        server=host_of(server_address(get_settings())),
        refresh_token=signed_in.refresh_token,
        access_token=signed_in.access_token,
        expires_at=time.time() + signed_in.expires_in_seconds,
    )


def _from_issuer(options: SignInOptions, way: Way) -> str:
    """A token of the tenant's issuer; empty when the service itself signs the device in."""
    from towpath.cli.identity import issuer as _issuer  # noqa: PLC0415 - few commands need it

    if not options.issuer:
        if way == "device":
            return ""
        raise CommandError(
            "this tenant has no issuer for sign-in with a browser",
            hint="use `towpath login --device` or an API key; an owner can add an issuer with"
            " `towpath trust create`",
            code="FAILED_PRECONDITION",
        )
    issuer = _issuer.discover(options.issuer, options.client_id, list(options.scopes))
    if way == "browser":
        return _issuer.by_browser(issuer)
    return _issuer.by_device(issuer) if issuer.endpoint("device_authorization") else ""


def _signed_out() -> bool:
    with suppress(TowpathError), service_client() as client:
        client.sign_in.sign_out()
        return True
    return False


def _read_key(*, piped: bool) -> str:
    if piped:
        return sys.stdin.readline().strip()
    if invocation().no_input or not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask on: pipe the key in with --api-key -")
    text: str = click.prompt("API key", hide_input=True, err=True)
    return text.strip()


def _checked(name: str, value: str) -> str:
    try:
        return str(BY_NAME[name].read(value))
    except (ValueError, TypeError) as error:
        raise click.UsageError(f"{name} {error}") from None
