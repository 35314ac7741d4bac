"""Generates the Python code of the contract into sdk/towpath/api/v1.

The options that hold validation rules stay in the descriptors as they are on the wire, while the
import of the file that declares them is dropped: generated code then needs nothing but protobuf
and grpcio, and protovalidate still finds the rules.
"""

from __future__ import annotations

import re
import sys
import tempfile
from importlib import resources
from pathlib import Path
from typing import Any, cast

from google.protobuf import descriptor_pb2
from grpc_tools import protoc

PROTOS = Path(__file__).resolve().parent
TARGET = PROTOS.parent / "sdk"
PACKAGE = "towpath/api/v1"
RULES_IMPORT = "buf/validate/validate.proto"
HEADER = "# Generated from protos/ by protos/generate.py. Do not edit.\n"


def generate(root: Path = TARGET) -> None:
    """Writes the generated files, replacing those of before.

    Args:
        root: Folder that the package `towpath` is in.
    """
    sources = sorted(str(p.relative_to(PROTOS)) for p in (PROTOS / PACKAGE).glob("*.proto"))
    services = [name for name in sources if name.endswith("_service.proto")]
    target = root / PACKAGE
    target.mkdir(parents=True, exist_ok=True)
    for stale in target.glob("*_pb2*"):
        stale.unlink()
    with tempfile.TemporaryDirectory() as scratch:
        image = Path(scratch) / "image.binpb"
        _run(
            f"--proto_path={PROTOS}",
            f"--proto_path={resources.files('grpc_tools') / '_proto'}",
            "--include_imports",
            "--include_source_info",
            f"--descriptor_set_out={image}",
            *sources,
        )
        image.write_bytes(without_rules_import(image.read_bytes()))
        _run(
            f"--descriptor_set_in={image}",
            f"--python_out={root}",
            f"--mypy_out={root}",
            *sources,
        )
        _run(
            f"--descriptor_set_in={image}",
            f"--grpc_python_out={root}",
            f"--mypy_grpc_out={root}",
            *services,
        )
    _finish(target)


def without_rules_import(image: bytes) -> bytes:
    """Drops the rules file, and every import of it, from a FileDescriptorSet."""
    files = descriptor_pb2.FileDescriptorSet.FromString(image)
    kept = descriptor_pb2.FileDescriptorSet()
    for file in files.file:
        if file.name == RULES_IMPORT:
            continue
        imports = [name for name in file.dependency if name != RULES_IMPORT]
        del file.dependency[:]
        file.dependency.extend(imports)
        kept.file.append(file)
    return kept.SerializeToString()


def _finish(target: Path) -> None:
    for path in target.glob("*_pb2*"):
        text = path.read_text(encoding="utf-8")
        path.write_text(HEADER + re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE), encoding="utf-8")
    marker = target / "__init__.py"
    marker.write_text(HEADER + '"""Generated messages and stubs of the contract."""\n', "utf-8")
    parent = target.parent / "__init__.py"
    parent.write_text(HEADER + '"""Generated code of the contract."""\n', "utf-8")


def _run(*arguments: str) -> None:
    if cast("Any", protoc).main(["protoc", *arguments]) != 0:
        sys.exit(f"protoc failed: {' '.join(arguments)}")


if __name__ == "__main__":
    generate()
