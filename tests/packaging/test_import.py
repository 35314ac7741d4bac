from __future__ import annotations

import subprocess
import sys


def test_importing_the_names_loads_nothing_heavy() -> None:
    probe = (
        "import sys; import towpath; from towpath import flow, task;"
        "heavy = {'pydantic', 'grpc', 'google.protobuf', 'rich', 'sqlalchemy', 'towpath_service'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
