from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

PROTOS = Path(__file__).parents[2] / "protos"


def breaking(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["buf", "breaking", "--against", "released.binpb"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_renumbered_field_is_refused_and_an_added_one_is_not(tmp_path: Path) -> None:
    folder = tmp_path / "protos"
    shutil.copytree(PROTOS, folder)
    common = folder / "towpath" / "api" / "v1" / "common.proto"
    written = common.read_text()
    field = "string content_type = 1 "
    assert field in written

    common.write_text(written.replace(field, f"string added = 99;\n  {field}", 1))
    assert breaking(folder).returncode == 0

    common.write_text(written.replace(field, "string content_type = 98 ", 1))
    refused = breaking(folder)
    assert refused.returncode != 0
    assert "content_type" in refused.stdout
