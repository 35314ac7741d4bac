"""The guide: its commands exist, its values are taken, and the objects that it names are there."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.k8s.rendering import CHART, rendered
from tests.k8s.test_objects import parsed
from tests.k8s.tools import ROOT, run

if TYPE_CHECKING:
    from pathlib import Path

GUIDE = (ROOT / "docs" / "guides" / "kubernetes.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", GUIDE, flags=re.MULTILINE | re.DOTALL)
COMMANDS = [
    line.removeprefix("$ ")
    for language, text in BLOCKS
    if language == "console"
    for line in text.splitlines()
]
IN_TABLES = re.findall(r"`((?:kubectl|towpath) [^`]+)`", GUIDE)
VALUES = [text for language, text in BLOCKS if language == "yaml"]
KINDS = {"deployment": "Deployment", "job": "Job", "service": "Service"}
WRITTEN = ("server.key", "second.key", "worker.key", "tls.pem", "tls.key")


def merged(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    both = {
        name: merged(first[name], second[name])
        for name in first.keys() & second.keys()
        if isinstance(first[name], dict) and isinstance(second[name], dict)
    }
    return {**first, **second, **both}


@pytest.fixture
def values(tmp_path: Path) -> Path:
    file = tmp_path / "values.yaml"
    file.write_text(VALUES[0], encoding="utf-8")
    return file


def test_each_set_of_values_is_taken_beside_the_first(tmp_path: Path) -> None:
    assert len(VALUES) == 6
    for index, text in enumerate(VALUES):
        given = merged(yaml.safe_load(VALUES[0]), yaml.safe_load(text))
        if given["tls"].get("behindProxy"):
            del given["tls"]["existingSecret"]
        file = tmp_path / f"{index}.yaml"
        file.write_text(yaml.safe_dump(given), encoding="utf-8")
        ended = run("helm", "template", "towpath", CHART, "-n", "towpath", "-f", file)
        assert ended.returncode == 0, (text, ended.stderr)


@pytest.mark.parametrize("line", [each for each in COMMANDS if each.startswith("helm ")])
def test_helm_takes_each_of_its_commands(line: str, values: Path) -> None:
    words = shlex.split(line.split(" > ", maxsplit=1)[0])[1:]
    words = [str(values) if word == "values.yaml" else word for word in words]
    if words[0] == "test":
        assert words[1:] == ["towpath", "-n", "towpath"]
        return
    if words[0] != "template":
        # An upgrade renders what an installation does.
        words = ["install", *words[1:], "--dry-run=client"]
        words.remove("--wait")
    ended = run("helm", *words)
    assert ended.returncode == 0, ended.stderr


def test_towpath_takes_each_of_its_commands() -> None:
    lines = [line for line in (*COMMANDS, *IN_TABLES) if "towpath " in line]
    words = [
        shlex.split(line.rpartition("-- ")[2].split(" > ")[0])
        for line in lines
        if line.startswith("towpath ") or "-- towpath " in line
    ]
    assert len(words) >= 12
    for each in words:
        assert parsed(each[1:]) is not None


@pytest.mark.parametrize(
    "line", [each for each in COMMANDS if re.match(r"kubectl (-n \w+ )?create ", each)]
)
def test_kubectl_takes_each_object_that_is_made(line: str, tmp_path: Path) -> None:
    for name in WRITTEN:
        (tmp_path / name).write_text("x", encoding="utf-8")
    words = shlex.split(line.split(" > ", maxsplit=1)[0])[1:]
    for name in WRITTEN:
        words = [re.sub(rf"={re.escape(name)}$", f"={tmp_path / name}", word) for word in words]
    if "tls" in words:
        # kubectl reads the pair, which is none here.
        words = ["create", "secret", "generic", words[words.index("tls") + 1]]
    given = [word for word in words if word not in ("--dry-run=client", "-o", "yaml")]
    ended = run("kubectl", *given, "--dry-run=client", "-o", "yaml")
    assert ended.returncode == 0, ended.stderr
    made = yaml.safe_load(ended.stdout)
    named = yaml.safe_dump(yaml.safe_load(VALUES[0])) + "\n".join(VALUES)
    assert made["kind"] == "Namespace" or made["metadata"]["name"] in named
    if made["metadata"]["name"] == "towpath-database":
        assert made["data"].keys() == {"url"}
    if made["metadata"]["name"] == "towpath-worker":
        assert made["data"].keys() == {"key"}


def test_each_object_that_a_command_names_is_there() -> None:
    found: set[str] = set()
    for line in (*COMMANDS, *IN_TABLES):
        for kind, name in re.findall(r"\b(deployment|job|service)/([a-z-]+)", line):
            assert rendered("minimal").one(KINDS[kind], name)
            found.add(name)
        if container := re.search(r"exec deployment/towpath-(\w+) -c (\w+)", line):
            assert container[1] == container[2]
    assert found == {"towpath", "towpath-api", "towpath-background", "towpath-migration"}


def test_each_path_of_the_checkout_is_there() -> None:
    for path in set(re.findall(r"\bk8s/[\w/]+\w", GUIDE)):
        assert (ROOT / path).exists(), path
    for path in re.findall(r"/etc/towpath/\w+/", GUIDE):
        assert path in str(rendered("full").objects)
