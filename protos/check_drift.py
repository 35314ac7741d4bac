"""Fails when the generated code isn't what the contract generates."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GENERATED = ROOT / "sdk" / "towpath" / "api"


def contents() -> dict[str, bytes]:
    """The generated files, by path."""
    return {
        str(path.relative_to(ROOT)): path.read_bytes()
        for path in sorted(GENERATED.rglob("*.py*"))
        if path.suffix in {".py", ".pyi"}
    }


def main() -> int:
    """Generates anew and compares."""
    before = contents()
    subprocess.run(
        [sys.executable, str(ROOT / "protos" / "generate.py")], check=True, capture_output=True
    )
    after = contents()
    changed = sorted(name for name in before | after if before.get(name) != after.get(name))
    for name in changed:
        print(f"{name} was not what protos/ generates; it is now: commit it")
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main())
