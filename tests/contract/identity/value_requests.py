"""Requests about secrets, variables, artifacts and inputs, for the tests that call every rpc."""

from __future__ import annotations

from typing import Any

from tests.contract.identity.two_tenants import SENT


def value_requests(workspace: str, id_: str) -> dict[str, dict[str, Any]]:
    """Requests by rpc, which name values that all have one id, as long as that of a run."""
    parent = f"workspaces/{workspace}"
    run = f"{parent}/runs/{id_}"
    secret, variable = f"{parent}/secrets/{id_}", f"{parent}/variables/{id_}"
    return {
        "SecretService/CreateSecret": {"secret": {"value": b"x"}},
        "SecretService/UpdateSecret": {"secret": {"name": secret, "value": b"x"}},
        **{f"SecretService/{name}Secret": {"name": secret} for name in ("Get", "Delete", "Access")},
        "VariableService/CreateVariable": {"variable": {"value_json": "1"}},
        "VariableService/UpdateVariable": {"variable": {"name": variable, "value_json": "2"}},
        **{f"VariableService/{name}Variable": {"name": variable} for name in ("Get", "Delete")},
        "ArtifactService/GetArtifact": {"name": f"{parent}/artifacts/{id_}"},
        "RunService/AwaitRunInput": {"name": run, "pause_key": "1"},
        "RunService/SendRunInput": {"name": run, "input": SENT},
        "RunService/ReceiveRunInputs": {"name": run, "key_prefix": "x"},
    }
