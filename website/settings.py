"""The reference of settings: those of clients, and the server's options with their variables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from website.commands import default_of, meaning_of, options_of
from website.markdown import code, page, table
from website.places import SERVER_OPTIONS, SETTINGS, load

if TYPE_CHECKING:
    from click import Option

_SCOPES = {
    "project": "project, profile, variable",
    "profile": "profile, variable",
    "process": "variable",
}
_INTRODUCTION = """
A client setting has a name for files and commands, and an environment variable.
[Settings](../guides/command-line.md#settings) explains which place wins when several set it. The
default home is the user's data folder. Each name links to the page that explains it.
"""
_SERVER = """
## Server settings

Options of `towpath server start`. An option on the command line wins over its variable.
`TOWPATH_SERVER_KEY_ENCRYPTION_KEY` can hold the key that `--key-file` names, in base64. Telemetry
uses the [variables of OpenTelemetry](../observability.md#switching-it-on).
"""


def settings_page() -> str:
    """Every setting of clients and of the server."""
    rows = [
        (
            _linked(setting.name, setting.page),
            code(setting.variable),
            setting.help,
            code(_written(setting.default)),
            _SCOPES[setting.scope],
        )
        for setting in load(SETTINGS)
    ]
    client = table(("setting", "variable", "meaning", "default", "may be set in"), rows)
    pages = {declared.flag: declared.page for declared in load(SERVER_OPTIONS)}
    server = table(
        ("option", "variable", "meaning", "default"),
        [
            (
                _linked(", ".join(option.opts), pages[option.opts[0]]),
                code(_variable(option)),
                meaning_of(option),
                default_of(option),
            )
            for option in options_of("server start")
        ],
    )
    return page("Settings", _INTRODUCTION, "## Client settings", client, _SERVER, server)


def _variable(option: Option) -> str:
    variable = option.envvar
    return variable if isinstance(variable, str) else " ".join(variable or ())


def _linked(name: str, explained_on: str) -> str:
    """A name, with a link to the page that explains it."""
    return f"[{code(name)}](../{explained_on})"


def _written(default: object) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, float):
        return f"{default:g}"
    return str(default or "")
