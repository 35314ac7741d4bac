"""`towpath migrate-from-prefect`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from towpath._display.words import printable
from towpath.cli.shared.errors import FAILED, NOT_FOUND, CommandError
from towpath.cli.shared.output import print_json, text_output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath.cli.migration.tree import Moved


@click.command()
@click.argument(
    "paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH..."
)
@click.option("--write", "writing", is_flag=True, help="Change the files.")
@text_output
def migrate_from_prefect(paths: tuple[Path, ...], output: str, *, writing: bool) -> int:
    """Rewrite programs that were written for Prefect.

    Prints what would change in the files below each PATH as a diff, and lists what has no
    counterpart, by file and line, with what to do. Exits with 1 if something is left to do by
    hand.
    """
    for path in paths:
        if not path.exists():
            raise CommandError(
                f"{path}: there is no such file or folder",
                hint="name a file of Python, or a folder that holds some",
                code="NOT_FOUND",
                exit_code=NOT_FOUND,
            )
    moved = _moved(paths)
    if writing:
        moved = [_written(each) for each in moved]
    if output == "json":
        print_json({"files": [_as_json(each) for each in moved]})
    else:
        _show(moved, writing=writing)
    return FAILED if any(_is_left(each) for each in moved) else 0


def _moved(paths: Sequence[Path]) -> list[Moved]:
    # libcst is an extra, and takes 0.2 s to load.
    try:
        from towpath.cli.migration.tree import move, programs  # noqa: PLC0415 - it loads libcst
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("libcst"):
            raise
        raise CommandError(
            "libcst is not installed", hint="pip install 'towpath[migrate]'"
        ) from None
    found = [move(path) for path in programs(paths)]
    return [each for each in found if each.changed or each.findings or each.error]


def _written(moved: Moved) -> Moved:
    from towpath.cli.migration.tree import Moved, write  # noqa: PLC0415 - it loads libcst

    if not moved.changed:
        return moved
    try:
        write(moved)
    except OSError as error:
        why = f"it can't be written: {error.strerror or error}"
        return Moved(path=moved.path, findings=moved.findings, error=why)
    return moved


def _show(moved: Sequence[Moved], *, writing: bool) -> None:
    if not writing:
        for each in moved:
            if each.changed:
                click.echo(each.diff(), nl=False)
    left = 0
    for each in moved:
        if each.error:
            left += 1
            click.echo(printable(f"{each.path}: {each.error}"), err=True)
        for found in each.findings:
            left += found.kind == "missing"
            said = "is there, and differs" if found.kind == "different" else "isn't there"
            text = f"{each.path}:{found.line}: {found.name} {said}: {found.advice}"
            click.echo(printable(text), err=True)
    changed = sum(each.changed for each in moved)
    does = "changed" if writing else "would change"
    click.echo(f"{_counted(changed, 'file')} {does}, {left} left to do by hand", err=True)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _is_left(moved: Moved) -> bool:
    return bool(moved.error) or any(each.kind == "missing" for each in moved.findings)


def _as_json(moved: Moved) -> dict[str, Any]:
    return {
        "path": str(moved.path),
        "changed": moved.changed,
        "diff": moved.diff(),
        "error": moved.error,
        "findings": [
            {
                "line": each.line,
                "name": each.name,
                "kind": each.kind,
                "advice": each.advice,
            }
            for each in moved.findings
        ],
    }
