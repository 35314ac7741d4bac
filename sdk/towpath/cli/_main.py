"""The `towpath` command: its groups, each loaded when it is used, and its exit codes."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import entry_points, version
from typing import TYPE_CHECKING, Any, Final

import click

from towpath._display.words import PLAIN_SYMBOLS
from towpath.cli.shared.groups import CommandGroup

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from towpath.cli.shared.errors import Ending

_COMMANDS: Final = {
    "artifact": ("towpath.cli.runs.artifacts:group", "Show what runs have made to look at."),
    "audit": ("towpath.cli.identity.audit:group", "Read and verify the audit log."),
    "backfill": ("towpath.cli.work.backfills:group", "Manage backfills of deployments."),
    "completion": ("towpath.cli.local.completion:completion", "Print a completion script."),
    "config": ("towpath.cli.local.config:group", "Show and change settings."),
    "deploy": ("towpath.cli.work.deploy:deploy", "Deploy flows, so that workers run them."),
    "deployment": (
        "towpath.cli.work.deployments:group",
        "Manage deployments, which are flows that workers run.",
    ),
    "doctor": ("towpath.cli.local.doctor:doctor", "Diagnose problems and suggest fixes."),
    "flow": ("towpath.cli.runs.flows:group", "List flows."),
    "init": ("towpath.cli.work.deploy:init", "Write towpath.yaml, a project file."),
    "key": ("towpath.cli.identity.keys:group", "Manage API keys."),
    "limit": (
        "towpath.cli.work.limits:group",
        "Manage limits on what happens at once, or per second.",
    ),
    "login": ("towpath.cli.identity.login:login", "Sign in and save the credential."),
    "logout": ("towpath.cli.identity.login:logout", "Sign out, or remove the saved API key."),
    "member": ("towpath.cli.identity.members:group", "Manage members and their roles."),
    "migrate-from-prefect": (
        "towpath.cli.migration.migrate:migrate_from_prefect",
        "Rewrite programs that were written for Prefect.",
    ),
    "open": ("towpath.cli.local.open:open_page", "Open the web page in the browser."),
    "pool": ("towpath.cli.work.pools:group", "Manage work pools."),
    "profile": ("towpath.cli.local.profiles:group", "Manage profiles of settings."),
    "queue": ("towpath.cli.work.queues:group", "Manage the queues of work pools."),
    "results": ("towpath.cli.local.results:group", "Manage stored results."),
    "role": ("towpath.cli.identity.roles:group", "Manage roles."),
    "run": ("towpath.cli.runs.runs:group", "List, inspect, follow and delete runs."),
    "schedule": (
        "towpath.cli.work.schedules:group",
        "Manage schedules, by which deployments run by themselves.",
    ),
    "secret": ("towpath.cli.values.secrets:group", "Manage secrets, which only runs can read."),
    "service-account": (
        "towpath.cli.identity.service_accounts:group",
        "Manage service accounts, which programs call with.",
    ),
    "sync": ("towpath.cli.local.sync:sync", "Deliver the reports that wait in the outboxes."),
    "tenant": ("towpath.cli.identity.tenants:group", "Manage tenants; for the operator."),
    "trust": ("towpath.cli.identity.trusts:group", "Manage trusts in issuers of tokens."),
    "usage": ("towpath.cli.identity.usage:usage", "Show usage and limits of the tenant."),
    "variable": ("towpath.cli.values.variables:group", "Manage variables of the workspace."),
    "whoami": ("towpath.cli.identity.whoami:whoami", "Show your identity and permissions."),
    "worker": ("towpath.cli.work.workers:group", "Manage the workers of pools."),
    "workspace": ("towpath.cli.identity.workspaces:group", "Manage workspaces."),
}
"""Commands by name: where each is, so that it loads when it is used, and its short help."""
_SERVER_HELP: Final = "Run and manage the Towpath service."
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
@click.option("--profile", metavar="NAME", help="Profile of settings.")
@click.option("--server", metavar="HOST:PORT", help="Address of the server.")
@click.option("-q", "--quiet", is_flag=True, help="Print only data and errors.")
@click.option("--no-input", is_flag=True, help="Never ask for input.")
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
    """Run and track Python flows and tasks."""
    # Settings load files and modules, which would slow down `--help`.
    from towpath._settings.current import use_flags  # noqa: PLC0415 - it loads the settings
    from towpath.cli.shared.session import Invocation  # noqa: PLC0415 - it loads the settings

    ctx.obj = Invocation(
        debug=debug, quiet=quiet, no_input=no_input, profile=profile or "", server=server or ""
    )
    use_flags({"server.address": server} if server else {}, profile=profile or "")


@cli.command("version")
def show_version() -> None:
    """Print the version."""
    click.echo(version("towpath"))


def main() -> None:
    """Runs the command and exits; docs/guides/command-line.md lists the exit codes."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Runs the command.

    Args:
        arguments: The command line, without the program's name.

    Returns:
        The exit code.

    Raises:
        Exception: Any error of the command, if `--debug` is among the arguments.
    """
    with _any_encoding():
        return _run(arguments)


def _run(arguments: Sequence[str]) -> int:
    try:
        result = cli.main(list(arguments), prog_name="towpath", standalone_mode=False)
        sys.stdout.flush()
    except (click.exceptions.Abort, KeyboardInterrupt):
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader of the output has closed it; the interpreter's own flush must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except click.exceptions.Exit as error:
        return error.exit_code
    except Exception as error:
        if "--debug" in arguments:
            raise
        return _explained(error, arguments)
    return result if isinstance(result, int) else 0


@contextmanager
def _any_encoding() -> Generator[None]:
    """Has characters that a terminal or pipe can't hold replaced, whatever its encoding."""
    streams: list[Any] = [sys.stdout, sys.stderr]
    changed = [(each, each.errors) for each in streams if hasattr(each, "reconfigure")]
    for stream, _ in changed:
        stream.reconfigure(errors=PLAIN_SYMBOLS)
    try:
        yield
    finally:
        for stream, errors in changed:
            if not stream.closed:
                stream.reconfigure(errors=errors)


def _explained(error: Exception, arguments: Sequence[str]) -> int:
    from towpath.cli.shared.errors import ending, show  # noqa: PLC0415 - few commands fail

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
