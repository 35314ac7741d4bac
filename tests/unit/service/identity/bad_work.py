"""Bad pools, deployments and schedules, and how each is refused: part of the catalogue."""

from __future__ import annotations

from typing import Any, Final

from tests.unit.service.identity.refusals import DENIED, INVALID, Row
from tests.unit.service.identity.wire import CANARY, PARENT

_FLOW: Final = f"{PARENT}/flows/etl"
_NIGHTLY: Final = f"{_FLOW}/deployments/nightly"
_REQUEST_ID: Final = "00000000-0000-4000-8000-0000000000bf"


def _schedule(rule: dict[str, Any]) -> Row:
    """The preview of a schedule whose rule is wrong."""
    body = {"parent": PARENT, "schedule": rule}
    return Row(INVALID, "INVALID_REQUEST", "DeploymentService/PreviewSchedule", body)


def _cron(expression: str, **more: Any) -> Row:
    return _schedule({"cron": {"expression": expression, **more}})


def _deployment(reason: str = "INVALID_REQUEST", code: str = INVALID, **fields: Any) -> Row:
    """A deployment that is refused."""
    deployment = {"entrypoint": "etl.py:etl", **fields}
    body = {"parent": _FLOW, "deployment_id": "nightly", "deployment": deployment}
    return Row(code, reason, "DeploymentService/CreateDeployment", body)


def _backfill(reason: str = "INVALID_REQUEST", code: str = INVALID, **fields: Any) -> Row:
    """A backfill that is refused."""
    backfill = {
        "deployment": _NIGHTLY,
        "start_time": {"seconds": 1_700_000_000},
        "end_time": {"seconds": 1_700_100_000},
        **fields,
    }
    body = {"parent": PARENT, "backfill": backfill, "request_id": _REQUEST_ID}
    return Row(code, reason, "BackfillService/CreateBackfill", body)


def _arguments(text: str) -> dict[str, Any]:
    return {"data": text.encode()}


_WIDE: Final = '{"additionalProperties": false, "properties": {"day": {"type": "string"}}}'

WORK: dict[str, Row] = {
    "72 a minute of 60": _cron("60 * * * *"),
    "72 an hour of 24": _cron("0 24 * * *"),
    "72 a range backwards": _cron("5-1 * * * *"),
    "72 a step of 0": _cron("*/0 * * * *"),
    "72 a day that never comes": _cron("0 0 30 2 *"),
    "72 six fields": _cron("0 0 2 * * *"),
    "72 @reboot": _cron("@reboot"),
    "72 no expression": _cron(""),
    "72 an unknown zone": _cron("0 2 * * *", time_zone="Europe/Londn"),
    "72 a zone of a path": _cron("0 2 * * *", time_zone="../../etc/passwd"),
    "72 an interval of nothing": _schedule({"interval": {"interval": {}}}),
    "72 a recurrence each second": _schedule(
        {"recurrence": {"rrule": "DTSTART:20260101T000000\nRRULE:FREQ=SECONDLY"}}
    ),
    "72 no rule": _schedule({"label": "x"}),
    "73 arguments that don't fit": _deployment(
        parameters=_arguments('{"day": 3}'),
        parameter_schema_json=_WIDE,
        enforce_parameter_schema=True,
    ),
    "73 arguments that are unknown": _deployment(
        parameters=_arguments('{"month": "x"}'),
        parameter_schema_json=_WIDE,
        enforce_parameter_schema=True,
    ),
    "73 a schema that is fetched": _deployment(
        parameter_schema_json='{"$ref": "http://169.254.169.254/latest"}'
    ),
    "73 a schema that is a file": _deployment(
        parameter_schema_json='{"$ref": "file:///etc/passwd"}'
    ),
    "73 a schema without an end": _deployment(
        parameter_schema_json='{"$ref": "#"}', enforce_parameter_schema=True
    ),
    "73 a schema of 100 levels": _deployment(
        parameter_schema_json='{"not":' * 100 + "{}" + "}" * 100
    ),
    "73 a pattern that takes for ever": _deployment(
        parameters=_arguments(f'{{"day": "{"a" * 5000}b"}}'),
        parameter_schema_json='{"properties": {"day": {"pattern": "^(a|a)*$"}}}',
        enforce_parameter_schema=True,
    ),
    "73 a pattern with look-around": _deployment(
        parameter_schema_json='{"properties": {"day": {"pattern": "(?=a)"}}}'
    ),
    "73 arguments of 65 KB": _deployment(
        "PAYLOAD_TOO_LARGE", parameters=_arguments(f'{{"day": "{"x" * 65_600}"}}')
    ),
    "73 arguments that are no UTF-8": _deployment(parameters={"data": b"\xff"}),
    "73 arguments with a NUL": _deployment(parameters=_arguments('{"a": "\0"}')),
    "74 a pool of nobody's": _deployment(
        "RESOURCE_NOT_FOUND", "NOT_FOUND", work_pool=f"{PARENT}/workPools/nothing"
    ),
    "74 a pool of another workspace": _deployment(work_pool="workspaces/theirs/workPools/p"),
    "74 a pool of a path": _deployment(work_pool=f"{PARENT}/workPools/../x"),
    "74 a credential in an address": _deployment(
        code_source={"git": {"url": f"https://x:{CANARY}@git.example/etl"}}
    ),
    "74 a secret of a path": _deployment(secrets=["../x"]),
    "74 a priority of 101": _deployment(priority=101),
    "74 a mask of what is the service's": Row(
        INVALID,
        "INVALID_REQUEST",
        "DeploymentService/UpdateDeployment",
        {
            "deployment": {"name": _NIGHTLY, "entrypoint": "x"},
            "update_mask": {"paths": ["owner"]},
        },
    ),
    "74 a mask with what may be missing": Row(
        INVALID,
        "INVALID_REQUEST",
        "DeploymentService/UpdateDeployment",
        {
            "deployment": {"name": _NIGHTLY, "entrypoint": "x"},
            "update_mask": {"paths": ["tags"]},
            "allow_missing": True,
        },
    ),
    "74 a kind that isn't given": Row(
        INVALID,
        "INVALID_REQUEST",
        "WorkService/CreateWorkPool",
        {"parent": PARENT, "work_pool_id": "local", "work_pool": {}},
    ),
    "74 the service's own pool": Row(
        INVALID,
        "INVALID_REQUEST",
        "WorkService/CreateWorkPool",
        {"parent": PARENT, "work_pool_id": "served", "work_pool": {"kind": "process"}},
    ),
    "75 a backfill of nobody's deployment": _backfill("RESOURCE_NOT_FOUND", "NOT_FOUND"),
    "75 a backfill of another workspace": _backfill(
        deployment="workspaces/theirs/flows/etl/deployments/nightly"
    ),
    "75 a backfill of a path": _backfill(deployment=f"{_FLOW}/deployments/../x"),
    "75 a backfill of 1,001 at once": _backfill(max_active=1001),
    "75 a backfill from the year 30000": _backfill(start_time={"seconds": 900_000_000_000}),
    "75 arguments of a backfill that are no UTF-8": _backfill(parameters={"data": b"\xff"}),
    "75 a backfill of no one's": Row(
        "NOT_FOUND",
        "RESOURCE_NOT_FOUND",
        "BackfillService/CancelBackfill",
        {"name": f"{PARENT}/backfills/{_REQUEST_ID}"},
    ),
    "75 a backfill's name of a path": Row(
        INVALID,
        "INVALID_REQUEST",
        "BackfillService/GetBackfill",
        {"name": f"{PARENT}/backfills/.."},
    ),
    "20 a viewer backfills": Row(
        DENIED,
        "PERMISSION_MISSING",
        "BackfillService/CreateBackfill",
        {
            "parent": PARENT,
            "backfill": {
                "deployment": _NIGHTLY,
                "start_time": {"seconds": 1_700_000_000},
                "end_time": {"seconds": 1_700_100_000},
            },
            "request_id": _REQUEST_ID,
        },
        "viewer",
    ),
    "50 a pool of a path": Row(
        INVALID, "INVALID_REQUEST", "WorkService/GetWorkPool", {"name": f"{PARENT}/workPools/../x"}
    ),
    "50 a pool in capitals": Row(
        INVALID, "INVALID_REQUEST", "WorkService/GetWorkPool", {"name": f"{PARENT}/workPools/A"}
    ),
    "50 a schedule of any flow": Row(
        INVALID,
        "INVALID_REQUEST",
        "DeploymentService/ListSchedules",
        {"parent": f"{PARENT}/flows/-/deployments/nightly"},
    ),
    "20 a viewer makes a pool": Row(
        DENIED,
        "PERMISSION_MISSING",
        "WorkService/CreateWorkPool",
        {"parent": PARENT, "work_pool_id": "local", "work_pool": {"kind": "process"}},
        "viewer",
    ),
    "20 a viewer deploys": Row(
        DENIED,
        "PERMISSION_MISSING",
        "DeploymentService/UpdateDeployment",
        {"deployment": {"name": _NIGHTLY, "entrypoint": "x"}, "allow_missing": True},
        "viewer",
    ),
    "22 a pool of another tenant's workspace": Row(
        "NOT_FOUND",
        "RESOURCE_NOT_FOUND",
        "WorkService/ListWorkPools",
        {"parent": "workspaces/theirs"},
    ),
}
