"""Bad deployments: each is refused with its field, and nothing of it is kept."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.work.resources import (
    FLOW,
    NIGHTLY,
    PARENT,
    SCHEMA,
    arguments,
    cron,
    deploy,
)

if TYPE_CHECKING:
    from tests.in_process.place import Place

BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no entrypoint": ({"entrypoint": ""}, "deployment.entrypoint"),
    "arguments that are a list": ({"parameters": arguments("[]")}, "deployment.parameters"),
    "arguments that are no JSON": ({"parameters": arguments("{")}, "deployment.parameters"),
    "arguments elsewhere": ({"parameters": {"uri": "s3://a/b"}}, "deployment.parameters"),
    "pickled arguments": (
        {"parameters": {"data": b"x", "content_type": "application/vnd.towpath.cloudpickle"}},
        "deployment.parameters",
    ),
    "arguments that don't fit": (
        {
            "parameters": arguments('{"day": 3}'),
            "parameter_schema_json": SCHEMA,
            "enforce_parameter_schema": True,
        },
        "deployment.parameters.day",
    ),
    "a schema that is none": (
        {"parameter_schema_json": '{"type": "text"}'},
        "deployment.parameter_schema_json.type",
    ),
    "a schema elsewhere": (
        {"parameter_schema_json": '{"$ref": "https://example.org/schema"}'},
        "deployment.parameter_schema_json",
    ),
    "no schema to enforce": (
        {"enforce_parameter_schema": True},
        "deployment.parameter_schema_json",
    ),
    "overrides that are no object": (
        {"job_overrides_json": "3"},
        "deployment.job_overrides_json",
    ),
    "a pool of another workspace": (
        {"work_pool": "workspaces/other/workPools/local"},
        "deployment.work_pool",
    ),
    "a queue without a pool": ({"work_queue": "urgent"}, "deployment.work_queue"),
    "a credential in an address": (
        {"code_source": {"git": {"url": "https://ghp_canary@git.example/etl"}}},
        "deployment.code_source.git.url",
    ),
    "a credential in a requirement": (
        {"code_source": {"packages": {"requirements": ["a @ git+https://u:p@git.example/a"]}}},
        "deployment.code_source.packages.requirements[0]",
    ),
    "a schedule twice": (
        {"schedules": [cron("@daily", name="a"), cron("@daily", name="a")]},
        "deployment.schedules[1].name",
    ),
    "a schedule of another": (
        {"schedules": [cron("@daily", name=f"{FLOW}/deployments/other/schedules/a")]},
        "deployment.schedules[0].name",
    ),
    "a schedule without a rule": ({"schedules": [{"name": "a"}]}, "deployment.schedules[0]"),
    "a schedule's arguments that don't fit": (
        {
            "parameters": arguments('{"day": "x"}'),
            "parameter_schema_json": SCHEMA,
            "enforce_parameter_schema": True,
            "schedules": [cron("@daily", name="a", parameters=arguments('{"size": "big"}'))],
        },
        "schedules[a].parameters.size",
    ),
}


@pytest.mark.parametrize("what", BAD)
async def test_a_bad_deployment_is_refused_with_its_field(small: Place, what: str) -> None:
    fields, field = BAD[what]
    refusal = await small.refusal(
        small.owner,
        "DeploymentService/CreateDeployment",
        parent=FLOW,
        deployment_id="nightly",
        deployment={"entrypoint": "etl.py:etl", **fields},
    )
    assert (refusal.reason, refusal.violations[0].field) == ("INVALID_REQUEST", field), refusal
    assert "canary" not in str(refusal)
    found = await small.call(small.owner, "DeploymentService/ListDeployments", parent=PARENT)
    assert len(found.deployments) == 0


async def test_a_changed_schema_is_checked_against_schedules_that_stay(place: Place) -> None:
    await deploy(
        place,
        parameters=arguments('{"day": "x"}'),
        schedules=[cron("@daily", name="a", parameters=arguments('{"size": "big"}'))],
    )
    refusal = await place.refusal(
        place.owner,
        "DeploymentService/UpdateDeployment",
        deployment={
            "name": NIGHTLY,
            "parameter_schema_json": SCHEMA,
            "enforce_parameter_schema": True,
        },
        update_mask={"paths": ["parameter_schema_json", "enforce_parameter_schema"]},
    )
    assert refusal.violations[0].field == "schedules[a].parameters.size"


async def test_arguments_over_64_kib_are_too_large(small: Place) -> None:
    large = json.dumps({"day": "x" * 65_536})
    refusal = await small.refusal(
        small.owner,
        "DeploymentService/CreateDeployment",
        parent=FLOW,
        deployment_id="nightly",
        deployment={"entrypoint": "x", "parameters": arguments(large)},
    )
    assert refusal.reason == "PAYLOAD_TOO_LARGE"
