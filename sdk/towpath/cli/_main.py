"""The `towpath` command: its groups, each loaded when it is asked for, and how it ends."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.metadata import entry_points, version
from typing import TYPE_CHECKING, Final

import click

from towpath.cli.shared.groups import CommandGroup

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath.cli.shared.errors import Ending

_COMMANDS: Final = {
    "audit": ("towpath.cli.identity.audit:group", "See who did what, and that it is all there."),
    "completion": ("towpath.cli.local.completion:completion", "Print the completion of a shell."),
    "config": ("towpath.cli.local.config:group", "See and change settings."),
    "key": ("towpath.cli.identity.keys:group", "Make, rotate and revoke API keys."),
    "login": ("towpath.cli.identity.sign_in:login", "Sign in, and keep that in the profile."),
    "logout": (
        "towpath.cli.identity.sign_in:logout",
        "Sign out, or take the key out of the profile.",
    ),
    "member": ("towpath.cli.identity.access:members", "See who is in, and let people in and out."),
    "role": ("towpath.cli.identity.access:roles", "See and make roles."),
    "secret": ("towpath.cli.values.secrets:group", "Keep values that runs use, and nobody sees."),
    "service-account": (
        "towpath.cli.identity.access:service_accounts",
        "Manage who calls without being a person.",
    ),
    "tenant": (
        "towpath.cli.identity.access:tenants",
        "Manage tenants, as the installation's operator.",
    ),
    "trust": ("towpath.cli.identity.trusts:group", "Trust tokens of other issuers."),
    "usage": ("towpath.cli.identity.access:usage", "Show what the tenant uses of its limits."),
    "whoami": ("towpath.cli.identity.sign_in:whoami", "Show who you are, and what you may do."),
    "workspace": ("towpath.cli.identity.access:workspaces", "Keep runs of several teams apart."),
    "doctor": ("towpath.cli.local.doctor:doctor", "Find what is wrong, and what would fix it."),
    "flow": ("towpath.cli.runs.flows:group", "See which flows there are."),
    "profile": ("towpath.cli.local.profiles:group", "Keep settings of several places apart."),
    "run": ("towpath.cli.runs.runs:group", "See what runs did, and why."),
    "sync": ("towpath.cli.local.sync:sync", "Deliver what waits in the outboxes of this home."),
}
_SERVER_HELP: Final = "Run the Towpath service."
_INTERRUPTED: Final = 130


class _LazyGroup(CommandGroup):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *_COMMANDS, "server"})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _COMMANDS:
            module, _, name = _COMMANDS[cmd_name][0].partition(":")
            command: click.Command = getattr(import_module(module), name)
            return command
        if cmd_name == "server":
            return _server_group()
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        rows = {name: text for name, (_, text) in _COMMANDS.items()}
        rows["server"] = _SERVER_HELP
        rows |= {name: command.get_short_help_str() for name, command in self.commands.items()}
        with formatter.section("Commands"):
            formatter.write_dl(sorted(rows.items()))


def _server_group() -> click.Command | None:
    for entry_point in entry_points(group="towpath.cli", name="server"):
        try:
            command: click.Command = entry_point.load()
        except ImportError as error:
            raise click.UsageError(
                f"the service is not installed ({error}): pip install 'towpath[service]'"
            ) from None
        return command
    return None


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("towpath"), message="%(version)s")
@click.option("--profile", metavar="NAME", help="Profile of settings to use.")
@click.option("--server", metavar="HOST:PORT", help="Server to talk to.")
@click.option("-q", "--quiet", is_flag=True, help="Print data and errors only.")
@click.option("--no-input", is_flag=True, help="Never ask.")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@click.pass_context
def cli(
    ctx: click.Context,
    profile: str | None,
    server: str | None,
    *,
    quiet: bool,
    no_input: bool,
    debug: bool,
) -> None:
    """Towpath: runs of Python flows and tasks, tracked."""
    # Settings load files and modules that `--help` needs none of.
    from towpath.cli.shared.session import Invocation  # noqa: PLC0415 - see above
    from towpath.settings import use_flags  # noqa: PLC0415 - see above

    ctx.obj = Invocation(
        debug=debug, quiet=quiet, no_input=no_input, profile=profile or "", server=server or ""
    )
    use_flags({"server.address": server} if server else {}, profile=profile or "")


@cli.command("version")
def show_version() -> None:
    """Print the version."""
    click.echo(version("towpath"))


def main() -> None:
    """Runs the command; docs/guides/command-line.md has its exit codes."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Runs the command with arguments, and returns its exit code.

    Raises:
        Exception: What went wrong, if `--debug` is among the arguments.
    """
    try:
        result = cli.main(list(arguments), prog_name="towpath", standalone_mode=False)
        sys.stdout.flush()
    except (click.exceptions.Abort, KeyboardInterrupt):
        return _INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has seen enough; the interpreter's own flush must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except click.exceptions.Exit as error:
        return error.exit_code
    except Exception as error:
        if "--debug" in arguments:
            raise
        return _explained(error, arguments)
    return result if isinstance(result, int) else 0


def _explained(error: Exception, arguments: Sequence[str]) -> int:
    # The errors' module brings the client's exceptions, which commands that succeed don't need.
    from towpath.cli.shared.errors import ending, show  # noqa: PLC0415 - see above

    end: Ending = ending(error)
    show(end, as_json=_wants_json(arguments))
    return end.exit_code


def _wants_json(arguments: Sequence[str]) -> bool:
    pairs = zip(arguments, [*arguments[1:], ""], strict=True)
    return any(
        argument in {"-ojson", "-o=json", "--output=json"}
        or (argument in {"-o", "--output"} and value == "json")
        for argument, value in pairs
    )
