"""Fails when the generated code isn't what the contract generates."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from generate import TARGET, generate

PACKAGE = Path("towpath") / "api"


def contents(root: Path) -> dict[str, bytes]:
    """The generated files, by path.

    Args:
        root: Folder that the package `towpath` is in.
    """
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted((root / PACKAGE).rglob("*.py*"))
        if path.suffix in {".py", ".pyi"}
    }


def main() -> int:
    """Generates into another folder, since tests may import what is there, and compares."""
    before = contents(TARGET)
    with tempfile.TemporaryDirectory() as scratch:
        generate(Path(scratch))
        after = contents(Path(scratch))
    changed = sorted(name for name in before | after if before.get(name) != after.get(name))
    for name in changed:
        print(f"{name} is not what protos/ generates: run `poe protos` and commit it")
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main())
