"""Requests about secrets, variables and artifacts, for the tests that call every rpc."""

from __future__ import annotations

from typing import Any


def value_requests(workspace: str, id_: str) -> dict[str, dict[str, Any]]:
    """Requests by rpc, which name values that all have one id, as long as that of a run."""
    parent = f"workspaces/{workspace}"
    secret, variable = f"{parent}/secrets/{id_}", f"{parent}/variables/{id_}"
    return {
        "SecretService/CreateSecret": {"secret": {"value": b"x"}},
        "SecretService/UpdateSecret": {"secret": {"name": secret, "value": b"x"}},
        **{f"SecretService/{name}Secret": {"name": secret} for name in ("Get", "Delete", "Access")},
        "VariableService/CreateVariable": {"variable": {"value_json": "1"}},
        "VariableService/UpdateVariable": {"variable": {"name": variable, "value_json": "2"}},
        **{f"VariableService/{name}Variable": {"name": variable} for name in ("Get", "Delete")},
        "ArtifactService/GetArtifact": {"name": f"{parent}/artifacts/{id_}"},
    }
