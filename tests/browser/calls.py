"""Calls of a server in JSON, as a page makes them."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any, Final

WORKSPACE: Final = "workspaces/default"


def call(base: str, method: str, **request: Any) -> Any:
    """Calls the server."""
    asked = urllib.request.Request(
        f"{base}/towpath.api.v1.{method}",
        json.dumps(request).encode(),
        {"content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(asked, timeout=120) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{method}: {error.read().decode()}") from error


def run_of(base: str, flow: str) -> str:
    """The newest run of a flow."""
    filter_ = f'display_name : "{flow}*" AND kind = FLOW AND parent_run = ""'
    found = call(base, "RunService/ListRuns", parent=WORKSPACE, filter=filter_)
    return str(found["runs"][0]["runId"])


def artifact_of(base: str) -> str:
    """The id of the newest artifact."""
    found = call(base, "ArtifactService/ListArtifacts", parent=WORKSPACE, pageSize=1)
    return str(found["artifacts"][0]["name"].rpartition("/")[2])


def state_of(base: str, run: str) -> str:
    """The state of a run."""
    found = call(base, "RunService/GetRun", name=f"{WORKSPACE}/runs/{run}")
    return str(found["run"]["state"]).removeprefix("RUN_STATE_")
