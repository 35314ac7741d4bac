"""`towpath login`, `logout` and `whoami`."""

from __future__ import annotations

import platform
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

import click

from towpath._display.words import printable
from towpath._settings.declared import BY_NAME, CREDENTIALS
from towpath._settings.files import write_config
from towpath._settings.layers import chosen_profile, user_config
from towpath._transport.opening import host_of
from towpath._transport.security import is_local, refuse_plaintext_credentials
from towpath._transport.sources import sign_in_of, write_sign_in
from towpath.cli.identity.profile_key import API_KEY, winning_variables
from towpath.cli.shared.errors import NOT_FOUND, TIMED_OUT, CommandError
from towpath.cli.shared.service import as_json, call, moment
from towpath.cli.shared.session import confirmed, invocation, note, print_json, text_output
from towpath.client._connect import server_address
from towpath.exceptions import NotFound, RpcError, TowpathError
from towpath.settings import get_settings, use_flags

if TYPE_CHECKING:
    from pathlib import Path

    from towpath._settings.files import ConfigFile

_SIGN_IN: Final = "server.sign_in_file"
_WAITING: Final = frozenset({"SIGN_IN_PENDING", "QUOTA_EXCEEDED"})

Way = Literal["key", "browser", "device"]


@dataclass(slots=True)
class _Profile:
    """The profile that somebody signs in with."""

    config: ConfigFile
    name: str
    asked: dict[str, str] = field(default_factory=dict[str, str])
    """What the command line says is to be kept in it."""

    @property
    def kept(self) -> dict[str, Any]:
        return self.config.profiles.setdefault(self.name, {})

    @property
    def file(self) -> Path:
        """Where its login is kept."""
        return self.config.path.parent / "logins" / f"{self.name}.json"

    def use(self, **credential: str) -> None:
        """Has calls go where the profile leads, with one credential or none."""
        server = invocation().server
        flags = {"server.address": server} if server else {}
        flags |= {**self.asked, API_KEY: ""}
        flags |= {name.replace("_", ".", 1): value for name, value in credential.items()}
        use_flags(flags, profile=invocation().profile)
        settings = get_settings()
        address = server_address(settings)
        if not address or is_local(address):
            return
        # Who brings nothing may speak plain text; what signing in brings may not.
        if settings.server_tls == "off":
            refuse_plaintext_credentials(address)
        use_flags({**flags, "server.tls": "on"}, profile=invocation().profile)

    def keep(self, **credential: str) -> None:
        """Writes the profile, with one credential and no other."""
        for name in CREDENTIALS:
            self.kept.pop(name, None)
        self.kept.update(self.asked)
        self.kept.update({name.replace("_", ".", 1): value for name, value in credential.items()})
        write_config(self.config)


@click.command()
@click.option(
    "--api-key",
    metavar="-",
    help="Read an API key from standard input (-), and keep that.",
)
@click.option("--browser", "way", flag_value="browser", help="Sign in with a browser.")
@click.option("--device", "way", flag_value="device", help="Sign in by a code that is shown.")
@click.option("--approve", metavar="CODE", help="Sign in the device that shows this code, as you.")
@click.option("--tenant", help="Sign in to this tenant, and keep it in the profile.")
@click.option("--server", metavar="HOST:PORT", help="Keep this server in the profile, too.")
@click.option("--ca-file", metavar="FILE", help="Keep this authority in the profile, too.")
@click.option("--yes", is_flag=True, help="Don't ask.")
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
    """Sign in, and keep that in the profile.

    With a browser where the tenant has an issuer, else with an API key, which is asked for.
    """
    if api_key not in {None, "-"}:
        raise click.UsageError(
            "a key on the command line ends up in its history: give - and pipe it in, or leave it"
            " out and be asked"
        )
    if approve is not None:
        _approve(approve, yes=yes)
        return
    config = user_config()
    profile = _Profile(config, chosen_profile(config, invocation().profile))
    given = {"server.address": server, "server.ca_file": ca_file, "server.tenant": tenant}
    profile.asked = {name: _checked(name, value) for name, value in given.items() if value}
    if api_key is not None or (way is None and not _has_issuer(profile)):
        _keep_key(profile, piped=api_key is not None)
    else:
        _sign_in(profile, way or "browser")


@click.command()
def logout() -> None:
    """Sign out, or take the API key out of the profile; `towpath key revoke` ends a key itself."""
    config = user_config()
    profile = _Profile(config, chosen_profile(config, invocation().profile))
    key, file = profile.kept.get(API_KEY), profile.kept.get(_SIGN_IN)
    for variable in winning_variables():
        note(f"{variable} is set, and goes on telling who you are: unset it to call as nobody")
    if key is None and file is None:
        note(f"profile {profile.name} holds no key and no login: nothing to do")
        return
    ended = True
    if file is not None:
        profile.use(server_sign_in_file=str(file))
        ended = _signed_out()
        profile.file.unlink(missing_ok=True)
    profile.keep()
    note(f"the {'key' if file is None else 'login'} is gone from profile {profile.name}")
    if not ended:
        note("The server couldn't be told: `towpath key revoke` ends the login there.")


@click.command()
@text_output
def whoami(output: str) -> None:
    """Show who you are to the service, and what you may do."""
    answer = call("AuthService", "GetCaller")
    if output == "json":
        print_json(as_json(answer))
        return
    settings = get_settings()
    if not server_address(settings):
        click.echo(
            "Nobody was asked: no server is configured, and none runs on this home. Commands read"
            f" its local database, {settings.home / 'towpath.db'}."
        )
        return
    if not answer.identity:
        click.echo("This server asks nobody who they are: everything is permitted.")
        return
    for label, text in _lines(answer):
        click.echo(f"{label:<12}{text}")


def _has_issuer(profile: _Profile) -> bool:
    """Whether people sign in at an issuer, and there is somebody to."""
    if invocation().no_input or not sys.stdin.isatty():
        return False
    profile.use()
    return bool(_options(profile).issuer)


def _options(profile: _Profile) -> Any:
    tenant = profile.asked.get("server.tenant") or get_settings().tenant
    return call("AuthService", "GetSignInOptions", tenant=tenant)


def _keep_key(profile: _Profile, *, piped: bool) -> None:
    key = _checked(API_KEY, _read_key(piped=piped))
    profile.use(server_api_key=key)
    answer = call("AuthService", "GetCaller")
    profile.keep(server_api_key=key)
    _tell(answer.actor.principal, profile)


def _sign_in(profile: _Profile, way: Way) -> None:
    profile.use()
    options = _options(profile)
    tenant = profile.asked.get("server.tenant") or get_settings().tenant
    token = _from_issuer(options, way)
    if token:
        answer = call("AuthService", "ExchangeToken", id_token=token, tenant=tenant)
    else:
        answer = _from_device()
    write_sign_in(profile.file, sign_in_of(answer, host_of(server_address(get_settings()))))
    profile.keep(server_sign_in_file=str(profile.file))
    _tell(answer.actor.principal, profile)


def _from_issuer(options: Any, way: Way) -> str:
    """A token of the tenant's issuer; empty when the service itself is to sign in a device."""
    from towpath.cli.identity import issuer as _issuer  # noqa: PLC0415 - few commands need it

    if not options.issuer:
        if way == "device":
            return ""
        raise CommandError(
            "this tenant has no issuer that a browser could sign in at",
            hint="`towpath login --device`, or with an API key; owners make a `towpath trust`",
            code="FAILED_PRECONDITION",
        )
    issuer = _issuer.discover(options.issuer, options.client_id, list(options.scopes))
    if way == "browser":
        return _issuer.by_browser(issuer)
    return _issuer.by_device(issuer) if issuer.endpoint("device_authorization") else ""


def _from_device() -> Any:
    name = _plain(f"towpath on {platform.node()}")[:100]
    begun = call("AuthService", "StartDeviceSignIn", client_name=name)
    note(
        f"Where you are signed in, run\n\n    towpath login --approve {begun.user_code}\n\nor have"
        " somebody do it, as whom this device is to act."
    )
    ends_at = time.monotonic() + begun.expires_in.seconds
    pause = begun.interval.seconds
    while time.monotonic() < ends_at:
        time.sleep(pause)
        try:
            return call("AuthService", "ExchangeToken", device_code=begun.device_code)
        except RpcError as error:
            if error.reason not in _WAITING:
                raise
    raise CommandError(
        "nobody approved this login in time",
        hint="`towpath login --device` begins again",
        code="SIGN_IN_EXPIRED",
        exit_code=TIMED_OUT,
    )


def _approve(code: str, *, yes: bool) -> None:
    try:
        found = call("AuthService", "GetDeviceSignIn", user_code=code)
    except NotFound:
        raise CommandError(
            f"no login waits for the code {code}",
            hint="it holds for 10 minutes, and once: look again at what the device shows",
            code="NOT_FOUND",
            exit_code=NOT_FOUND,
        ) from None
    if confirmed(_question(found), yes=yes):
        call("AuthService", "ApproveDeviceSignIn", user_code=code)
        note(f"{_plain(found.client_name) or 'the device'} is signed in")


def _question(found: Any) -> str:
    """What whoever approves is asked: first what the service knows, then the device's own word."""
    since = found.create_time.ToDatetime().strftime("%H:%M:%S")
    address = _plain(found.client_address) or "an unknown address"
    named = _plain(found.client_name)
    word = f', that calls itself "{named}",' if named else ""
    return (
        f"A device at {address}{word} began a login at {since} UTC. Approve only what you began"
        " yourself. Sign it in as you?"
    )


def _plain(text: str) -> str:
    """A text that shows nothing but itself: no control characters, nor any that turn its order."""
    return "".join(char if char.isprintable() else "\ufffd" for char in printable(text))


def _signed_out() -> bool:
    with suppress(TowpathError):
        call("AuthService", "SignOut")
        return True
    return False


def _tell(principal: str, profile: _Profile) -> None:
    note(f"{principal} is signed in, in profile {profile.name}: {profile.config.path}")
    for variable in winning_variables():
        note(f"{variable} is set, and goes above the profile: unset it to call as {principal}")


def _lines(answer: Any) -> list[tuple[str, str]]:
    lines = [
        ("principal", answer.actor.principal),
        ("tenant", _tenant(answer)),
        ("credential", answer.credential_id + _ends(answer)),
        ("tenant may", ", ".join(answer.tenant_permissions) or "nothing"),
    ]
    lines += [
        (grant.workspace.removeprefix("workspaces/"), ", ".join(grant.permissions))
        for grant in answer.workspace_grants
    ]
    return lines


def _tenant(answer: Any) -> str:
    """The tenant as --tenant takes it, with its id; an older server tells that only."""
    name = answer.tenant.removeprefix("tenants/")
    return f"{name} ({answer.tenant_id})" if name else answer.tenant_id


def _ends(answer: Any) -> str:
    if answer.HasField("credential_expire_time"):
        return f", ends {moment(answer, 'credential_expire_time')}"
    return ", has no end" if answer.tenant else ""


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
