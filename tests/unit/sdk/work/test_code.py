"""Code from folders, repositories, packages and archives."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from towpath._work import pip_source
from towpath._work.code import Code, CodeError, prepare
from towpath._work.code_sources import CodeSource
from towpath._work.fetching import run_program
from towpath._work.git_source import _asking
from towpath._work.pip_source import installed

if TYPE_CHECKING:
    from collections.abc import Sequence

CANARY = "canary-3f9a77b1"


def code_of(tmp_path: Path, **source: Any) -> Code:
    return prepare(
        CodeSource(**source),
        str(tmp_path),
        home=tmp_path / "home",
        own=tmp_path / "own",
        secret=lambda name: f"{name}:{CANARY}",
    )


def refused(tmp_path: Path, **source: Any) -> str:
    with pytest.raises(CodeError) as raised:
        code_of(tmp_path, **source)
    return str(raised.value)


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *arguments]
    return subprocess.run(
        command, cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    (folder / "flows").mkdir(parents=True)
    (folder / "flows" / "etl.py").write_text("first")
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "first")
    git(folder, "tag", "v1")
    (folder / "flows" / "etl.py").write_text("second")
    git(folder, "commit", "--quiet", "-a", "-m", "second")
    return folder


def test_code_that_is_here_is_used_where_it_is(tmp_path: Path):
    (tmp_path / "flows").mkdir()
    assert code_of(tmp_path).directory == tmp_path
    assert code_of(tmp_path, kind="path", location="flows").directory == tmp_path / "flows"
    assert "no folder" in refused(tmp_path, kind="path", location="nope")


def test_each_commit_has_a_worktree(tmp_path: Path, repository: Path):
    latest = git(repository, "rev-parse", "main")
    first = git(repository, "rev-parse", "v1")
    found = {
        ref: code_of(tmp_path, kind="git", location=str(repository), ref=ref, directory="flows")
        for ref in ("", "main", "v1", first)
    }
    versions = {ref: code.version for ref, code in found.items()}
    assert versions == {"": latest, "main": latest, "v1": first, first: first}
    texts = {ref: (code.directory / "etl.py").read_text() for ref, code in found.items()}
    assert texts == {"": "second", "main": "second", "v1": "first", first: "first"}
    assert found[""].directory == found["main"].directory


def test_a_branch_that_moved_is_followed(tmp_path: Path, repository: Path):
    source = {"kind": "git", "location": str(repository), "ref": "main"}
    before = code_of(tmp_path, **source)
    git(repository, "commit", "--quiet", "--amend", "-m", "another second")
    after = code_of(tmp_path, **source)
    assert after.version == git(repository, "rev-parse", "main") != before.version


def test_a_known_commit_needs_no_repository(tmp_path: Path, repository: Path):
    first = git(repository, "rev-parse", "v1")
    code_of(tmp_path, kind="git", location=str(repository), ref="v1")
    repository.rename(tmp_path / "gone")
    code = code_of(tmp_path, kind="git", location=str(repository), ref=first)
    assert code.version == first


@pytest.mark.parametrize("ref", ["nope", "0" * 40])
def test_a_ref_that_is_not_there_is_named(tmp_path: Path, repository: Path, ref: str):
    said = refused(tmp_path, kind="git", location=str(repository), ref=ref)
    assert ref in said
    assert str(repository) in said


@pytest.mark.parametrize(
    ("source", "part"),
    [
        ({"location": "--upload-pack=touch x"}, "dash"),
        ({"location": "r", "ref": "--output=x"}, "dash"),
        ({"location": "https://me:hunter2@example.com/r.git"}, "secret"),
        ({"location": "ext::sh -c true"}, "not allowed"),
    ],
)
def test_an_address_that_does_more_than_name_is_refused(tmp_path: Path, source: Any, part: str):
    said = refused(tmp_path, kind="git", **source)
    assert part in said
    assert "hunter2" not in said


def test_a_directory_outside_of_the_code_is_refused(tmp_path: Path, repository: Path):
    source = {"kind": "git", "location": str(repository), "ref": "v1"}
    assert "not within" in refused(tmp_path, directory="../..", **source)
    assert "no directory 'nope'" in refused(tmp_path, directory="nope", **source)


def test_git_gets_the_credential_and_nobody_sees_it():
    with _asking(f"me:{CANARY}") as asking:
        seen = {
            "environment": asking.environment,
            "pass_fds": asking.descriptors,
            "doing": "asking",
        }
        program = asking.environment["GIT_ASKPASS"]
        for _ in range(2):
            assert run_program([program, "Username for 'https://x': "], **seen) == "me\n"
            assert run_program([program, "Password for 'https://x': "], **seen) == f"{CANARY}\n"
        assert CANARY not in str(asking.environment)
        assert CANARY not in Path(program).read_text()
    assert not Path(program).exists()
    with _asking(CANARY) as asking:
        assert asking.environment["TOWPATH_GIT_USER"] == "x-access-token"


def zipped(path: Path, **files: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def test_an_archive_is_unpacked_and_its_digest_kept(tmp_path: Path):
    path = zipped(tmp_path / "code.zip", etl="x")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    code = code_of(tmp_path, kind="archive", location=str(path), sha256=digest.upper())
    assert (code.directory / "etl").read_text() == "x"
    assert code.version == digest


def test_another_archive_than_was_deployed_is_refused(tmp_path: Path):
    path = zipped(tmp_path / "code.zip", etl="x")
    said = refused(tmp_path, kind="archive", location=str(path), sha256="0" * 64)
    assert "not the archive that was deployed" in said
    assert not (tmp_path / "own").exists()


def test_a_tar_file_leads_out_of_nothing(tmp_path: Path):
    path = tmp_path / "code.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("inside"), io.BytesIO())
    assert (
        code_of(tmp_path, kind="archive", location=f"file://{path}").directory / "inside"
    ).exists()
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("../outside"), io.BytesIO())
    assert "can't be unpacked" in refused(tmp_path, kind="archive", location=str(path))
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize("text", [b"", b"no archive"])
def test_what_is_no_archive_is_refused(tmp_path: Path, text: bytes):
    path = tmp_path / "code"
    path.write_bytes(text)
    assert "zip or tar" in refused(tmp_path, kind="archive", location=str(path))
    assert "can't be read" in refused(tmp_path, kind="archive", location=str(tmp_path / "nope"))


def test_an_environment_is_built_once_for_each_set_of_requirements(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    ran: list[list[str]] = []

    def run(command: Sequence[str], *, doing: str) -> str:
        ran.append(list(command))
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        if "venv" in command:
            (tmp_path / command[-1] / "lib" / version / "site-packages").mkdir(parents=True)
        return doing

    monkeypatch.setattr(pip_source, "run_program", run)
    monkeypatch.setattr(pip_source.shutil, "which", lambda _: None)
    python, digest = installed(("polars==1.30", "httpx"), tmp_path / "venv")
    assert python == tmp_path / "venv" / digest / "bin" / "python"
    assert [command[1:4] for command in ran] == [
        ["-m", "venv", str(tmp_path / "venv" / digest)],
        ["-m", "pip", "install"],
    ]
    assert "--require-hashes" not in ran[1]
    assert Path(ran[1][-1]).read_text() == "polars==1.30\nhttpx\n"
    assert installed(("polars==1.30", "httpx"), tmp_path / "venv") == (python, digest)
    assert len(ran) == 2
    installed(("polars==1.30 --hash=sha256:00",), tmp_path / "venv")
    assert "--require-hashes" in ran[3]


def test_the_environments_process_is_known_by_its_prefix(tmp_path: Path):
    assert Code(directory=tmp_path).is_active
    assert Code(directory=tmp_path, python=Path(sys.prefix, "bin", "python")).is_active
    assert not Code(directory=tmp_path, python=tmp_path / "bin" / "python").is_active


def test_a_program_that_is_not_installed_is_named():
    with pytest.raises(CodeError, match="asking needs nowhere-at-all, which is not installed"):
        run_program(["nowhere-at-all"], doing="asking")


def test_descriptors_are_not_left_open(tmp_path: Path, repository: Path):
    before = len(list(Path("/proc/self/fd").iterdir()))
    code_of(tmp_path, kind="git", location=str(repository), ref="v1", credential="token")
    assert len(list(Path("/proc/self/fd").iterdir())) == before
