"""`towpath deployment`. A deployment is named by its flow and its id: "etl/nightly"."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from towpath.cli.shared.groups import CommandGroup
from towpath.cli.shared.output import (
    json_object,
    json_span,
    list_output,
    print_facts,
    print_json,
    print_list,
    text_output,
)
from towpath.cli.shared.session import confirmed, note, service_client, yes_option
from towpath.cli.shared.times import local_minute
from towpath.cli.work.create_backfill import backfill
from towpath.cli.work.names import (
    LABEL_WIDTH,
    check_deployment,
    limit_text,
    next_text,
    paused_text,
)
from towpath.cli.work.run_deployment import run_deployment
from towpath.cli.work.schedules import rule_text, schedule_json

if TYPE_CHECKING:
    from towpath.client import DeploymentInfo, DeploymentSpec

_deployment = click.argument("deployment", metavar="FLOW/DEPLOYMENT")


@click.group(cls=CommandGroup)
def group() -> None:
    """Manage deployments, which are flows that workers run."""


group.add_command(run_deployment)
group.add_command(backfill)


@group.command("ls")
@click.option("--flow", default="", help="Id of the flow.")
@click.option("--pool", default="", help="Id of the work pool.")
@list_output
def list_deployments(flow: str, pool: str, output: str) -> None:
    """List deployments, with the time of their next run."""
    with service_client() as client:
        deployments = list(client.deployments.list(flow=flow, pool=pool))
    print_list(
        deployments,
        {
            "DEPLOYMENT": lambda item: item.name,
            "POOL": _pool,
            "STATE": lambda item: paused_text(paused=item.paused),
            "NEXT RUN": lambda item: next_text(item.next_run),
            "REVISION": lambda item: str(item.revision),
            "CHANGED": lambda item: local_minute(item.changed),
            "CHANGED BY": lambda item: item.owner,
        },
        output,
        as_json=_as_json,
    )


@group.command()
@_deployment
@text_output
def inspect(deployment: str, output: str) -> None:
    """Show a deployment with its schedules."""
    with service_client() as client:
        found = client.deployments.get(check_deployment(deployment))
    if output == "json":
        print_json(_as_json(found))
        return
    print_facts(_facts(found), width=LABEL_WIDTH)
    for schedule in found.schedules:
        state = paused_text(paused=schedule.paused)
        when = next_text(schedule.next_times[0] if schedule.next_times else None)
        text = f"{schedule.id}: {rule_text(schedule)}, {state}"
        print_facts([("schedule", f"{text}, next {when}" if when else text)], width=LABEL_WIDTH)


@group.command()
@_deployment
def pause(deployment: str) -> None:
    """Stop the schedules of a deployment; its runs continue."""
    with service_client() as client:
        client.deployments.set_paused(check_deployment(deployment), paused=True)
    note(f"deployment {deployment} is paused: its schedules create no runs")


@group.command()
@_deployment
def resume(deployment: str) -> None:
    """Start the schedules of a deployment again; missed times are left out."""
    with service_client() as client:
        resumed = client.deployments.set_paused(check_deployment(deployment), paused=False)
    when = next_text(resumed.next_run)
    note(f"deployment {deployment} is resumed" + (f", next run {when}" if when else ""))


@group.command()
@_deployment
@yes_option
def delete(deployment: str, *, yes: bool) -> None:
    """Delete a deployment with its schedules; its runs that wait are cancelled."""
    check_deployment(deployment)
    if confirmed(f"Delete deployment {deployment}, and cancel its runs that wait?", yes=yes):
        with service_client() as client:
            client.deployments.delete(deployment)
        note(f"deployment {deployment} deleted")


def _pool(deployment: DeploymentInfo) -> str:
    spec = deployment.spec
    return f"{spec.pool}/{spec.queue}" if spec.queue not in {"", "default"} else spec.pool


def _facts(deployment: DeploymentInfo) -> list[tuple[str, str]]:
    spec = deployment.spec
    return [
        ("name", deployment.resource_name),
        ("flow", spec.flow_name),
        ("description", spec.description or "-"),
        ("entrypoint", spec.entrypoint),
        ("pool", _pool(deployment) or "-"),
        ("state", paused_text(paused=deployment.paused)),
        ("next run", next_text(deployment.next_run) or "-"),
        ("parameters", json.dumps(spec.parameters, ensure_ascii=False)),
        ("limit", limit_text(spec.concurrency_limit) or "-"),
        ("crash retries", str(spec.max_crash_retries)),
        ("timeout", "-" if spec.timeout is None else json_span(spec.timeout)),
        ("priority", str(spec.priority)),
        ("secrets", ", ".join(spec.secrets) or "-"),
        ("tags", ", ".join(spec.tags) or "-"),
        ("code version", spec.code_version or "-"),
        ("revision", str(deployment.revision)),
        ("changed", f"{local_minute(deployment.changed)} by {deployment.owner}"),
        ("created", local_minute(deployment.created)),
        ("etag", deployment.etag),
    ]


def _as_json(deployment: DeploymentInfo) -> dict[str, Any]:
    spec = deployment.spec
    return {
        **json_object(name=deployment.resource_name, id=deployment.name),
        **_spec_json(spec),
        "paused": deployment.paused,
        **json_object(
            revision=deployment.revision,
            owner=deployment.owner,
            next_run_time=deployment.next_run,
            schedules=[schedule_json(item) for item in deployment.schedules],
            create_time=deployment.created,
            update_time=deployment.changed,
            etag=deployment.etag,
        ),
    }


def _spec_json(spec: DeploymentSpec) -> dict[str, Any]:
    return json_object(
        flow_name=spec.flow_name,
        description=spec.description,
        entrypoint=spec.entrypoint,
        work_pool=spec.pool,
        work_queue=spec.queue,
        job_overrides=dict(spec.job_overrides),
        parameters=dict(spec.parameters),
        parameter_schema=dict(spec.parameter_schema),
        enforce_parameter_schema=spec.enforce_parameter_schema,
        concurrency_limit=spec.concurrency_limit,
        collision_strategy=spec.collision_strategy,
        max_crash_retries=spec.max_crash_retries,
        on_lost_contact=spec.on_lost_contact,
        timeout=spec.timeout and json_span(spec.timeout),
        start_deadline=spec.start_deadline and json_span(spec.start_deadline),
        priority=spec.priority,
        secrets=list(spec.secrets),
        tags=list(spec.tags),
        labels=dict(spec.labels),
        code_version=spec.code_version,
    )
