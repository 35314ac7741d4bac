"""`towpath completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

_SHELLS = ("bash", "fish", "zsh")


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    r"""Print a completion script for a shell.

    To load it when the shell starts:

    \b
    bash   eval "$(towpath completion bash)"    in ~/.bashrc
    zsh    eval "$(towpath completion zsh)"     in ~/.zshrc, after compinit
    fish   towpath completion fish | source     in ~/.config/fish/config.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None
    complete = kind(ctx.find_root().command, {}, "towpath", "_TOWPATH_COMPLETE")
    click.echo(kind.source_template % complete.source_vars())
