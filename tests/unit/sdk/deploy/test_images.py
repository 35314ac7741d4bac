"""Images that are built and pushed at deploy, by a program that notes its arguments."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import towpath
from click.testing import CliRunner
from towpath._deploy.describe import FlowDescription
from towpath._deploy.images import TOOLS
from towpath.cli.work.deploy import deploy
from towpath.deployments import DockerImage, GitCode
from towpath.exceptions import DefinitionError, ImageError, NotFound

from tests.unit.sdk.deploy.sample_flows import hello, load

if TYPE_CHECKING:
    from towpath.client import Client

IMAGE = "registry.example.com:5000/flows:7"
TOOL = """#!/bin/sh
for word in "$0" "$@"; do printf '%s\\n' "$word" >> "$NOTES"; done
echo >> "$NOTES"
echo "step 1 of $1"
if [ "$1" = "$FAILS" ]; then echo "no space left"; exit 3; fi
"""


class Tools:
    """The programs on PATH, and what they were called with."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder / "bin"
        self.folder.mkdir()
        self._notes = folder / "notes"
        monkeypatch.setenv("PATH", str(self.folder))
        monkeypatch.setenv("NOTES", str(self._notes))

    def install(self, *names: str) -> None:
        for name in names:
            (self.folder / name).write_text(TOOL, "utf-8")
            (self.folder / name).chmod(0o755)

    @property
    def calls(self) -> list[list[str]]:
        if not self._notes.exists():
            return []
        found = [each.splitlines() for each in self._notes.read_text("utf-8").split("\n\n") if each]
        return [[Path(name).name, *words] for name, *words in found]


@pytest.fixture
def tools(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    if "jobs" not in {pool.id for pool in client.pools.list()}:
        client.pools.create("jobs", kind="kubernetes")
    (tmp_path / "Dockerfile").write_text("FROM scratch\n", "utf-8")
    return Tools(tmp_path, monkeypatch)


def test_an_image_is_built_and_pushed_and_holds_the_code(
    client: Client, tools: Tools, tmp_path: Path
) -> None:
    tools.install(*TOOLS)
    hello.deploy("x", "jobs", image=IMAGE)
    recipe = str(tmp_path / "Dockerfile")
    assert tools.calls == [
        ["docker", "build", "-t", IMAGE, "-f", recipe, str(tmp_path)],
        ["docker", "push", IMAGE],
    ]
    spec = client.deployments.get("hello/x").spec
    assert (spec.job_overrides, spec.code) == ({"image": IMAGE}, None)


def test_options_of_a_build_are_words_of_the_command(tools: Tools, tmp_path: Path) -> None:
    tools.install("buildah")
    (tmp_path / "other").write_text("FROM scratch\n", "utf-8")
    options: dict[str, Any] = {"buildargs": {"A": "b c"}, "labels": {"team": "x"}, "pull": True}
    image = DockerImage("flows", "1", "other", nocache=False, target="runs", **options)
    hello.deploy("x", "jobs", image=image, push=False)
    [[*words]] = tools.calls
    assert words[:6] == ["buildah", "build", "-t", "flows:1", "-f", str(tmp_path / "other")]
    flags = ["--target", "runs", "--build-arg", "A=b c", "--label", "team=x", "--pull"]
    assert words[6:] == [*flags, str(tmp_path)]


def test_one_image_of_several_is_built_once_and_untagged_gets_the_time(
    client: Client, tools: Tools
) -> None:
    tools.install("podman")
    both = [each.to_deployment("x") for each in (hello, load)]
    image = DockerImage("flows")
    towpath.deploy(*both, work_pool_name="jobs", image=image)
    assert [call[:2] for call in tools.calls] == [["podman", "build"], ["podman", "push"]]
    named = {
        client.deployments.get(each).spec.job_overrides["image"] for each in ("hello/x", "load/x")
    }
    assert len(named) == 1
    assert re.fullmatch(r"flows:\d{4}-\d\d-\d\dt\d\d-\d\d-\d\dz", str(named.pop()))


def test_without_a_build_no_program_is_needed(client: Client, tools: Tools) -> None:
    digest = "flows@sha256:" + "0" * 64
    source = GitCode(url="https://git.example.org/x.git")
    flow = hello.with_options()
    flow.code, flow.entrypoint = source, "a.py:hello"
    flow.deploy("x", "jobs", image=digest, build=False)
    assert tools.calls == []
    spec = client.deployments.get("hello/x").spec
    assert (spec.job_overrides["image"], spec.code) == (digest, source)


def test_a_pool_of_processes_uses_no_image(client: Client, tools: Tools) -> None:
    tools.install("docker")
    with pytest.warns(UserWarning, match="image is ignored: runs of the pool local"):
        hello.deploy("x", "local", image=IMAGE)
    assert tools.calls == []
    assert client.deployments.get("hello/x").spec.job_overrides == {}


@pytest.mark.parametrize("step", ["build", "push"])
def test_a_failing_program_is_told_and_nothing_is_deployed(
    client: Client,
    tools: Tools,
    step: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    tools.install("docker")
    monkeypatch.setenv("FAILS", step)
    with pytest.raises(ImageError, match=rf"(?s)docker {step} of .* with 3.*no space left$"):
        hello.deploy("x", "jobs", image=IMAGE)
    assert list(client.deployments.list()) == []
    assert f"step 1 of {step}" in capfd.readouterr().err


def test_without_a_program_or_a_recipe_it_is_told_what_to_do(
    tools: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ImageError, match=r"no docker, podman or buildah on PATH .* build=False"):
        hello.deploy("x", "jobs", image=IMAGE)
    tools.install("docker", "podman")
    monkeypatch.setenv("TOWPATH_DEPLOY_IMAGE_TOOL", "buildah")
    with pytest.raises(ImageError, match="no buildah on PATH"):
        hello.deploy("x", "jobs", image=IMAGE)
    monkeypatch.setenv("TOWPATH_DEPLOY_IMAGE_TOOL", "podman")
    (tmp_path / "Dockerfile").unlink()
    with pytest.raises(ImageError, match=r"has no recipe .*Dockerfile: write it"):
        hello.deploy("x", "jobs", image=IMAGE)
    with pytest.raises(NotFound, match="`towpath pool create nowhere`"):
        hello.deploy("x", "nowhere", image=IMAGE)
    assert tools.calls == []


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"image": 3}, "image is a text or a DockerImage, not 3"),
        ({"image": "-x"}, "an image is named by a text, not '-x'"),
        ({"image": "a@sha256:0"}, "has a digest, so it can't be built: give build=False"),
        ({"image": "a:1", "job_variables": {"image": "a:2"}}, "the job variable image is a:2"),
    ],
)
def test_wrong_images_are_refused(client: Client, options: Any, problem: str) -> None:
    with pytest.raises(DefinitionError, match=problem):
        hello.deploy("x", "local", **options)


def test_wrong_descriptions_of_images_are_refused() -> None:
    with pytest.raises(DefinitionError, match="has the tag 1, and tag='2' is given"):
        DockerImage("a:1", tag="2")
    with pytest.raises(DefinitionError, match=r"no build option 'squash'; it has buildargs, "):
        DockerImage("a", squash=True)
    with pytest.raises(DefinitionError, match="buildargs maps names to texts"):
        DockerImage("a", buildargs=["x"])


def test_the_command_and_the_project_file_build_images(
    client: Client, tools: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    etl = FlowDescription(
        name="etl", id="etl", description="", tags=(), code_version="1", schema={}, sensitive=()
    )

    def described(*_: object) -> FlowDescription:
        return etl

    monkeypatch.setattr("towpath._deploy.plans.describe", described)
    tools.install("docker")
    words = ["etl.py:etl", "-n", "x", "--pool", "jobs", "--image", IMAGE]
    ended = CliRunner().invoke(deploy, [*words, "--no-push", "-o", "json"], catch_exceptions=False)
    assert json.loads(ended.stdout)[0]["outcome"] == "created"
    assert [call[1] for call in tools.calls] == ["build"]
    entry = {"name": "y", "entrypoint": "etl.py:etl", "work_pool": {"name": "jobs"}}
    image = {"name": "flows", "tag": "2", "push": False}
    file = tmp_path / "towpath.yaml"
    file.write_text(json.dumps({"deployments": [{**entry, "image": image}]}), "utf-8")
    CliRunner().invoke(deploy, ["--all"], catch_exceptions=False)
    assert [call[1:4] for call in tools.calls[1:]] == [["build", "-t", "flows:2"]]
    CliRunner().invoke(deploy, ["--all", "--no-build"], catch_exceptions=False)
    assert len(tools.calls) == 2
    spec = client.deployments.get("etl/y").spec
    assert (spec.job_overrides, spec.code) == ({"image": "flows:2"}, None)
