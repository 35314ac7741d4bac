from __future__ import annotations

import subprocess
import sys

HEAVY = {
    "alembic",
    "cloudpickle",
    "google.protobuf",
    "grpc",
    "opentelemetry",
    "pydantic",
    "rich",
    "sqlalchemy",
    "starlette",
    "towpath_auth",
    "towpath_service",
}


def test_importing_the_names_loads_nothing_heavy() -> None:
    probe = "import sys, towpath; from towpath import flow, task; print(*sys.modules, sep='\\n')"
    ended = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True
    )
    loaded = set(ended.stdout.split())
    assert "towpath._definitions.flow" in loaded
    assert not {name for name in loaded if any(f"{name}.".startswith(f"{h}.") for h in HEAVY)}
