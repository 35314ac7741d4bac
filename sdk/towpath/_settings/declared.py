"""Every setting, declared once as data."""

from __future__ import annotations

import difflib
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Value = str | bool | float | Path | None
"""What a setting can be."""

Scope = Literal["project", "profile", "process"]
"""The least personal place that may set it: a project's file, a profile, or only this process."""

ENVIRONMENT_PREFIX: Final = "TOWPATH_"
STAND_IN_PREFIX: Final = "TOWPATH_SECRET_"
"""Of variables that stand in for secrets of the service: no settings."""
PROFILE_VARIABLE: Final = "TOWPATH_PROFILE"
_MAX_PORT: Final = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting."""

    name: str
    """As files and commands write it, "server.address"."""
    attribute: str
    """Its attribute of `Settings`."""
    variable: str
    """Its variable of the environment."""
    read: Callable[[object], Value]
    """Turns what was written into a value; raises ValueError or TypeError with what is right."""
    default: Value | None
    """None when it is worked out."""
    scope: Scope = "project"
    secret: bool = False
    """Whether its value is masked wherever it is shown."""
    help: str


def _text(written: object) -> str:
    if not isinstance(written, str):
        raise TypeError("must be a text")
    return written.strip()


def _address(written: object) -> str:
    text = _text(written)
    host, _, port = text.rpartition(":")
    plain = not re.search(r"[/@\s]", text)
    if text and not (host and plain and port.isdecimal() and 0 < int(port) <= _MAX_PORT):
        raise ValueError("must be host:port, such as 127.0.0.1:4200")
    return text


def _web_address(written: object) -> str:
    text = _text(written).rstrip("/")
    if not text:
        return text
    problem = "must be a URL of a host, such as http://127.0.0.1:4201"
    try:
        parts = urlsplit(text)
        fits = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        raise ValueError(problem) from None
    if not fits or "@" in text or parts.path or parts.query or parts.fragment:
        raise ValueError(problem)
    return text


def read_api_key(written: object) -> str:
    """An API key, or nothing; raises ValueError or TypeError as `Setting.read` does."""
    text = _text(written)
    if text and not re.fullmatch(r"twp[us]_[0-9A-Za-z]{16}_[0-9A-Za-z]{49}", text):
        # What was written may be another secret: it isn't repeated.
        raise ValueError("must be an API key of Towpath, which begins with twpu_ or twps_")
    return text


def _file(written: object) -> Path | None:
    text = _text(written)
    return Path(text).expanduser().absolute() if text else None


def _tenant(written: object) -> str:
    text = _text(written).removeprefix("tenants/")
    if text and not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", text):
        raise ValueError("must be the id of a tenant: a-z, 0-9 and -, such as acme")
    return text


def _workspace(written: object) -> str:
    text = _text(written).removeprefix("workspaces/")
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", text):
        raise ValueError("must be the id of a workspace: a-z, 0-9 and -, such as default")
    return text


def _trace_url(written: object) -> str:
    text = _text(written)
    if text and ("{trace_id}" not in text or urlsplit(text).scheme not in {"http", "https"}):
        raise ValueError(
            "must be a URL with {trace_id} in it, such as http://127.0.0.1:16686/trace/{trace_id}"
        )
    return text


def _flag(written: object) -> bool:
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if isinstance(written, bool):
        return written
    if isinstance(written, str) and written.strip().lower() in words:
        return words[written.strip().lower()]
    raise ValueError("must be true or false")


def _seconds(written: object) -> float:
    problem = "must be a number of seconds, 0 or more"
    if isinstance(written, bool) or not isinstance(written, str | int | float):
        raise TypeError(problem)
    try:
        seconds = float(written)
    except (ValueError, OverflowError):
        raise ValueError(problem) from None
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError(problem)
    return seconds


def _home(written: object) -> Path:
    return Path(_text(written)).expanduser().absolute()


def _one_of(*choices: str) -> Callable[[object], str]:
    def read(written: object) -> str:
        for choice in choices:
            if isinstance(written, str) and written.strip().lower() == choice.lower():
                return choice
        raise ValueError(f"must be one of {', '.join(choices)}")

    return read


SETTINGS: Final = (
    Setting(
        name="home",
        attribute="home",
        variable="TOWPATH_HOME",
        read=_home,
        default=None,
        scope="process",
        help="Folder of the outboxes, the local database and, when set, of config.toml.",
    ),
    Setting(
        name="server.address",
        attribute="server_address",
        variable="TOWPATH_SERVER_ADDRESS",
        read=_address,
        default="",
        scope="profile",
        help="host:port of the service's gRPC port; empty: the server on the home, if one runs.",
    ),
    Setting(
        name="server.web_address",
        attribute="server_web_address",
        variable="TOWPATH_SERVER_WEB_ADDRESS",
        read=_web_address,
        default="",
        scope="profile",
        help="URL of the service's web port, which forked processes report to.",
    ),
    Setting(
        name="server.api_key",
        attribute="api_key",
        variable="TOWPATH_API_KEY",
        read=read_api_key,
        default="",
        scope="profile",
        secret=True,
        help="API key to call the service with.",
    ),
    Setting(
        name="server.api_key_file",
        attribute="api_key_file",
        variable="TOWPATH_API_KEY_FILE",
        read=_file,
        default=None,
        scope="profile",
        help="File that holds the API key, read anew whenever a token is needed.",
    ),
    Setting(
        name="server.token_file",
        attribute="token_file",
        variable="TOWPATH_TOKEN_FILE",
        read=_file,
        default=None,
        scope="profile",
        help="File with a token of Kubernetes, or of another issuer that the tenant trusts.",
    ),
    Setting(
        name="server.tenant",
        attribute="tenant",
        variable="TOWPATH_TENANT",
        read=_tenant,
        default="",
        scope="profile",
        help="Tenant to sign in to, or that trusts the token of the file; empty: the first one.",
    ),
    Setting(
        name="server.sign_in_file",
        attribute="sign_in_file",
        variable="TOWPATH_SIGN_IN_FILE",
        read=_file,
        default=None,
        scope="profile",
        help="File of a login; `towpath login` makes it.",
    ),
    Setting(
        name="server.tls",
        attribute="server_tls",
        variable="TOWPATH_SERVER_TLS",
        read=_one_of("auto", "on", "off"),
        default="auto",
        scope="profile",
        help="Speak TLS: auto (with a key, beyond this machine), on or off.",
    ),
    Setting(
        name="server.ca_file",
        attribute="server_ca_file",
        variable="TOWPATH_SERVER_CA_FILE",
        read=_file,
        default=None,
        scope="profile",
        help="Authorities the service's certificate may come from, PEM; else public ones.",
    ),
    Setting(
        name="server.client_cert",
        attribute="server_client_cert",
        variable="TOWPATH_SERVER_CLIENT_CERT",
        read=_file,
        default=None,
        scope="profile",
        help="Certificate of your own, where the service asks for one, PEM.",
    ),
    Setting(
        name="server.client_key",
        attribute="server_client_key",
        variable="TOWPATH_SERVER_CLIENT_KEY",
        read=_file,
        default=None,
        scope="profile",
        help="The key of server.client_cert, PEM.",
    ),
    Setting(
        name="workspace",
        attribute="workspace",
        variable="TOWPATH_WORKSPACE",
        read=_workspace,
        default="default",
        help="Id of the workspace that runs are in.",
    ),
    Setting(
        name="server.require",
        attribute="require_server",
        variable="TOWPATH_REQUIRE_SERVER",
        read=_flag,
        default=False,
        help="Fail a flow at once when no server is there.",
    ),
    Setting(
        name="outbox.fsync",
        attribute="outbox_fsync",
        variable="TOWPATH_OUTBOX_FSYNC",
        read=_one_of("never", "flush", "always"),
        default="flush",
        help="When the outbox is forced to the disk: never, flush (at the end) or always.",
    ),
    Setting(
        name="flush_timeout_seconds",
        attribute="flush_timeout_seconds",
        variable="TOWPATH_FLUSH_TIMEOUT_SECONDS",
        read=_seconds,
        default=10.0,
        help="Longest wait at the end of a process for what is still unsent.",
    ),
    Setting(
        name="log.level",
        attribute="log_level",
        variable="TOWPATH_LOG_LEVEL",
        read=_one_of("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"),
        default="INFO",
        help="Least serious level of log lines kept and shown.",
    ),
    Setting(
        name="display",
        attribute="display",
        variable="TOWPATH_DISPLAY",
        read=_one_of("auto", "live", "plain", "quiet"),
        default="auto",
        help="How a running flow shows itself in the terminal: auto, live, plain or quiet.",
    ),
    Setting(
        name="telemetry.join_caller",
        attribute="join_caller_trace",
        variable="TOWPATH_TELEMETRY_JOIN_CALLER",
        read=_flag,
        default=False,
        help="Make a flow part of the trace it is called in, not a trace of its own with a link.",
    ),
    Setting(
        name="telemetry.trace_url",
        attribute="trace_url",
        variable="TOWPATH_TELEMETRY_TRACE_URL",
        read=_trace_url,
        default="",
        help="URL of a trace in your viewer, with {trace_id} in it; run inspect shows it.",
    ),
)

CREDENTIALS: Final = (
    *("server.api_key", "server.api_key_file"),
    *("server.token_file", "server.sign_in_file"),
)
"""Settings that prove who calls: those of the strongest layer count, and no others."""

SERVER_VARIABLES: Final = frozenset(
    f"TOWPATH_SERVER_{name}"
    for name in (
        *("DATABASE", "KEY_FILE", "KEY_ENCRYPTION_KEY", "PUBLIC_URL"),
        *("TLS_CERT", "TLS_KEY", "TLS_CLIENT_CA"),
        *("KEEP_RUNS", "KEEP_TRANSITIONS", "KEEP_LOGS"),
    )
)
"""Of options of the service's own commands: no settings of its clients."""

BY_NAME: Final = {setting.name: setting for setting in SETTINGS}
VARIABLES: Final = (PROFILE_VARIABLE, *(setting.variable for setting in SETTINGS))


def suggestion(wrong: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """The known name most like a wrong one; empty when none is."""
    close = difflib.get_close_matches(wrong, list(known), 1, cutoff)
    return close[0] if close else ""


def masked(setting: Setting, value: Value) -> str:
    """A value as it may be shown."""
    if setting.secret and value:
        return "********"
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
