"""What a deployment needs to know of a flow, found out in a process that loads its code.

    python -m towpath._deploy.describe path/file.py:flow FOLDER ANSWER

The code of the flow never runs in the process that deploys it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from towpath._deploy.specs import flow_spec
from towpath._redaction.marking import sensitive_parameters
from towpath._work.loading import LoadError, load_flow
from towpath.exceptions import DefinitionError

_SECONDS: Final = 120.0
"""Longest that loading a flow's code may take."""
_ARGUMENTS: Final = 4
_LINES: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowDescription:
    """A flow, as its code defines it.

    Attributes:
        name: Its name.
        id: Its id.
        description: Its description.
        tags: Its tags.
        code_version: Its version, or a digest of its code.
        schema: JSON Schema of its parameters.
        sensitive: Names of its sensitive parameters.
    """

    name: str
    id: str
    description: str
    tags: tuple[str, ...]
    code_version: str
    schema: dict[str, Any]
    sensitive: tuple[str, ...]


def describe(entrypoint: str, directory: Path, *, seconds: float = _SECONDS) -> FlowDescription:
    """Loads a flow in a process of its own, and describes it.

    Args:
        entrypoint: The flow, "path/file.py:flow" or "package.module:flow".
        directory: Folder that paths and modules are relative to.
        seconds: Longest that it may take.

    Raises:
        DefinitionError: It can't be loaded or deployed; the message names file and line.
    """
    with tempfile.TemporaryDirectory(prefix="towpath-deploy-") as folder:
        answer = Path(folder) / "answer.json"
        command = [sys.executable, "-P", "-m", __name__, entrypoint, str(directory), str(answer)]
        try:
            ended = subprocess.run(  # noqa: S603 - this interpreter
                command,
                cwd=directory,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise DefinitionError(
                f"{entrypoint} has not been loaded after {seconds:g} s: put what only a script does"
                ' below `if __name__ == "__main__":`'
            ) from None
        if not answer.exists():
            raise DefinitionError(_ended(entrypoint, ended.returncode, ended.stderr))
        content = json.loads(answer.read_text("utf-8"))
    if "error" in content:
        raise DefinitionError(content["error"])
    names: dict[str, Any] = {name: tuple(content[name]) for name in ("tags", "sensitive")}
    return FlowDescription(**{**content, **names})


def _ended(entrypoint: str, code: int, errors: bytes) -> str:
    last = " | ".join(errors.decode("utf-8", "replace").strip().splitlines()[-_LINES:])
    return f"{entrypoint}: the process that loads it ended with {code}: {last}"


def _described(entrypoint: str, directory: Path) -> dict[str, Any]:
    try:
        flow = load_flow(entrypoint, directory)
        flow.entrypoint = entrypoint
        spec = flow_spec(flow, directory)
    except (LoadError, DefinitionError) as error:
        return {"error": str(error)}
    return asdict(
        FlowDescription(
            name=flow.name,
            id=flow.flow_id,
            description=spec.description,
            tags=spec.tags,
            code_version=spec.code_version,
            schema=dict(spec.parameter_schema),
            sensitive=tuple(sorted(sensitive_parameters(flow.fn))),
        )
    )


if __name__ == "__main__":
    assert len(sys.argv) == _ARGUMENTS
    made = json.dumps(_described(sys.argv[1], Path(sys.argv[2])))
    Path(sys.argv[3]).write_text(made, "utf-8")
