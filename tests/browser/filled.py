"""What the demo's flows don't make: a pool, a deployment with a schedule, limits, values."""

from __future__ import annotations

import base64
import json
from typing import Any

from tests.browser.calls import WORKSPACE, call

FLOW = f"{WORKSPACE}/flows/orders--nightly"
DEPLOYMENT = f"{FLOW}/deployments/nightly"
_SCHEMA = {
    "type": "object",
    "properties": {
        "day": {"type": "string", "description": "The day to load."},
        "limit": {"type": "integer", "default": 100},
        "full": {"type": "boolean", "default": False},
        "mode": {"type": "string", "enum": ["append", "replace"], "default": "append"},
    },
    "required": ["day"],
}


def fill(base: str) -> None:
    """Makes it. No worker serves the pool, so that runs of the deployment wait."""
    call(
        base,
        "WorkService/CreateWorkPool",
        parent=WORKSPACE,
        workPoolId="local",
        workPool={"kind": "process", "description": "Processes of this host"},
    )
    call(
        base,
        "DeploymentService/CreateDeployment",
        parent=FLOW,
        deploymentId="nightly",
        deployment={
            "description": "Loads the orders of a day.",
            "entrypoint": "orders.py:orders",
            "codeSource": {"localPath": "/srv/flows"},
            "workPool": f"{WORKSPACE}/workPools/local",
            "parameters": _payload({"day": "yesterday"}),
            "parameterSchemaJson": json.dumps(_SCHEMA),
            "tags": ["nightly"],
        },
    )
    call(
        base,
        "DeploymentService/CreateSchedule",
        parent=DEPLOYMENT,
        scheduleId="night",
        schedule={"cron": {"expression": "30 2 * * *", "timeZone": "Europe/Berlin"}},
    )
    call(
        base,
        "LimitService/SetLimit",
        parent=WORKSPACE,
        limitId="warehouse",
        limit={"slots": 2, "description": "Connections to the warehouse"},
    )
    call(
        base,
        "VariableService/CreateVariable",
        parent=WORKSPACE,
        variableId="regions",
        variable={"valueJson": '["north", "east"]', "tags": ["orders"]},
    )
    call(
        base,
        "SecretService/CreateSecret",
        parent=WORKSPACE,
        secretId="warehouse-password",
        secret={
            "description": "Of the account that loads orders",
            "value": base64.b64encode(b"hidden-from-pages").decode(),
        },
    )


def create_run(base: str, name: str) -> str:
    """The id of a run that waits for a worker that never comes."""
    made = call(
        base, "RunService/CreateRun", parent=WORKSPACE, deployment=DEPLOYMENT, displayName=name
    )
    return str(made["run"]["runId"])


def _payload(value: Any) -> dict[str, str]:
    return {"data": base64.b64encode(json.dumps(value).encode()).decode()}
