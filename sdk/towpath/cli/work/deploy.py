"""`towpath deploy`: from an entrypoint, or from the project file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from towpath._settings.current import get_settings
from towpath.cli.shared.errors import USAGE, CommandError
from towpath.cli.shared.output import json_object, print_json, text_output
from towpath.cli.shared.pairs import pairs_of, param_option
from towpath.cli.shared.session import note, service_client
from towpath.cli.work.rule_options import takes_rule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath._deploy.deploying import Deployed
    from towpath._deploy.plans import Plan, WrittenDeployment
    from towpath.schedules import Schedule


@click.command()
@click.argument("entrypoint", required=False, metavar="[PATH/FILE.py:FLOW]")
@click.option("-n", "--name", "names", multiple=True, help="Name of the deployment.")
@click.option("--all", "everything", is_flag=True, help="Deploy all of the project file.")
@click.option(
    "--file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Project file; towpath.yaml by default, else prefect.yaml.",
)
@click.option("--pool", default="", help="Id of the work pool.")
@click.option("--queue", default="", help="Id of the queue.")
@click.option("--flow", default="", help="Name of the flow, for --no-check.")
@takes_rule
@param_option
@click.option("--tag", "tags", multiple=True, help="Tag of the runs; repeatable.")
@click.option("--description", help="Description.")
@click.option("--version", help="Version of the code.")
@click.option("--limit", type=click.IntRange(min=1), help="Most runs at a time.")
@click.option("--paused", is_flag=True, help="Let no schedule create runs.")
@click.option("--image", help="Image of the runs, in pools whose kind uses images.")
@click.option("--no-build", is_flag=True, help="Build no image.")
@click.option("--no-push", is_flag=True, help="Push no image.")
@click.option("--no-check", is_flag=True, help="Don't load the code, which is elsewhere.")
@text_output
def deploy(
    entrypoint: str | None,
    names: Sequence[str],
    *,
    everything: bool,
    file: Path | None,
    rule: Schedule | None,
    no_check: bool,
    output: str,
    **given: Any,
) -> None:
    """Deploy flows, so that workers run them; may be repeated.

    Name a flow and its deployment, or choose deployments of the project file with --name or --all.
    """
    options = _options(rule, **given)
    if entrypoint is not None:
        if everything or file is not None:
            raise click.UsageError("an entrypoint and --all or --file can't be given together")
        written, root = [_written(entrypoint, names, options)], Path.cwd()
    else:
        chosen, root = _chosen(file, names, everything=everything)
        written = [_overridden(each, options, len(chosen)) for each in chosen]
    deployed = _deploy(written, root, check=not no_check)
    if output == "json":
        print_json([_as_json(each) for each in deployed])
        return
    for each in deployed:
        click.echo(each.line)


def _options(rule: Schedule | None, **given: Any) -> dict[str, Any]:
    """The options that were given, by the names of the fields of a written deployment."""
    from towpath._definitions.slugs import by_slug  # noqa: PLC0415 - would slow down `--help`

    values = {
        "tags": list(given["tags"]) or None,
        "description": given["description"],
        "version": given["version"],
        "concurrency_limit": given["limit"],
        "paused": given["paused"] or None,
        "image": given["image"] or None,
        "build": False if given["no_build"] else None,
        "push": False if given["no_push"] else None,
    }
    fields = {
        "pool": given["pool"],
        "queue": given["queue"],
        "flow_name": given["flow"],
        "texts": pairs_of("--param", given["params"]),
        "schedules": None if rule is None else by_slug([rule]),
    }
    chosen = {name: value for name, value in fields.items() if value}
    return {**chosen, "values": {name: each for name, each in values.items() if each is not None}}


def _written(entrypoint: str, names: Sequence[str], options: dict[str, Any]) -> WrittenDeployment:
    from towpath._deploy.plans import WrittenDeployment  # noqa: PLC0415 - loads pydantic
    from towpath._deploy.steps import pull_of  # noqa: PLC0415 - would slow down `--help`

    if len(names) != 1:
        raise click.UsageError("give the deployment a name: --name nightly")
    fields: dict[str, Any] = {"schedules": None, **options}
    pull = pull_of(None, Path.cwd(), 1)
    return WrittenDeployment(
        name=names[0], entrypoint=_relative(entrypoint), place="", pull=pull, **fields
    )


def _relative(entrypoint: str) -> str:
    """An entrypoint whose file is named from here, if the file is below."""
    place, colon, flow = entrypoint.rpartition(":")
    path = Path(place)
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        return f"{path.relative_to(Path.cwd()).as_posix()}{colon}{flow}"
    return entrypoint


def _chosen(
    file: Path | None, names: Sequence[str], *, everything: bool
) -> tuple[list[WrittenDeployment], Path]:
    """The deployments of the project file that were asked for, and the project's folder."""
    from towpath._deploy.project_file import find_project_file, read_project_file  # noqa: PLC0415 - loads the parser of YAML

    path = file or find_project_file(Path.cwd())
    if path is None:
        raise click.UsageError(
            "name a flow, such as etl.py:etl; this folder has no project file, which"
            " `towpath init` would write"
        )
    found = list(read_project_file(path))
    root = path.resolve().parent
    if everything:
        return found, root
    if not names:
        if len(found) == 1:
            return found, root
        listed = ", ".join(each.name for each in found) or "none"
        raise click.UsageError(f"choose by --name or --all; deployments of {path}: {listed}")
    return [_named(path, found, name) for name in names], root


def _named(path: Path, found: list[WrittenDeployment], name: str) -> WrittenDeployment:
    """The only deployment of a name, "nightly" or "etl/nightly" with the function's name."""
    flow, _, wanted = name.rpartition("/")
    fitting = [
        each
        for each in found
        if each.name == wanted and flow in {"", each.flow_name, each.entrypoint.rpartition(":")[2]}
    ]
    if len(fitting) == 1:
        return fitting[0]
    listed = ", ".join(each.name for each in found) or "none"
    problem = "several deployments" if fitting else "no deployment"
    raise click.UsageError(f"{path} has {problem} named {name!r}; deployments in it: {listed}")


def _overridden(
    written: WrittenDeployment, options: dict[str, Any], number: int
) -> WrittenDeployment:
    if number > 1 and options.get("schedules"):
        raise click.UsageError("a schedule is given to one deployment at a time: choose by --name")
    return replace(written, **{**options, "values": {**written.values, **options["values"]}})


def _deploy(written: Sequence[WrittenDeployment], root: Path, *, check: bool) -> Sequence[Deployed]:
    from towpath._deploy.deploying import deployed, kinds  # noqa: PLC0415 - loads pydantic
    from towpath._deploy.images import with_images  # noqa: PLC0415 - would slow down `--help`
    from towpath._deploy.plans import plan_of  # noqa: PLC0415 - loads pydantic

    settings = get_settings()
    usual = settings.deploy_pool
    # All of them are checked before the first is deployed.
    plans: list[Plan] = [plan_of(each, root, usual_pool=usual, check=check) for each in written]
    for text in dict.fromkeys(text for plan in plans for text in plan.notes):
        note(f"Note: {text}")
    with service_client() as client:
        wanted = [(plan.spec, plan.image) for plan in plans]
        specs = with_images(wanted, root, kinds(client), settings.image_tool)
        return [
            deployed(client, plan.name, spec, plan.schedules)
            for plan, spec in zip(plans, specs, strict=True)
        ]


def _as_json(made: Deployed) -> dict[str, Any]:
    info = made.info
    return json_object(
        name=info.resource_name,
        id=info.name,
        outcome=made.outcome,
        revision=info.revision,
        paused=info.paused,
        next_run_time=info.next_run,
        etag=info.etag,
    )


@click.command()
@click.option("--force", is_flag=True, help="Replace the file that is there.")
def init(*, force: bool) -> None:
    """Write towpath.yaml, a project file to fill in."""
    from towpath._deploy.template import TEMPLATE  # noqa: PLC0415 - of this command alone

    path = Path("towpath.yaml")
    if path.exists() and not force:
        raise CommandError(
            "towpath.yaml is there already", hint="replace it with --force", exit_code=USAGE
        )
    path.write_text(TEMPLATE, "utf-8")
    note("towpath.yaml is written: fill it in, then `towpath deploy --all`")
