"""The recipe of the image, which is built elsewhere."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml

from tests.k8s.rendering import CHART, rendered
from tests.k8s.tools import ROOT

DOCKERFILE = ROOT / "k8s" / "image" / "Dockerfile"
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def instructions() -> list[tuple[str, str]]:
    """The instructions of the recipe, each on one line."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines) if word]


def of(word: str) -> list[str]:
    return [rest for each, rest in instructions() if each == word]


def test_the_recipe_passes_hadolint() -> None:
    linter = Path(sys.executable).with_name("hadolint")
    ended = subprocess.run([linter, DOCKERFILE], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout


def test_both_stages_have_the_base_that_is_given() -> None:
    assert of("FROM") == ["${BASE} AS build", "${BASE}"]
    (base,) = [each for each in of("ARG") if each.startswith("BASE=")]
    assert re.fullmatch(r"BASE=python:3\.\d+-slim", base)


def test_a_container_is_the_user_that_the_chart_names() -> None:
    assert of("USER") == ["10001:10001"]
    for _, pod in rendered("minimal").pods():
        assert pod["spec"]["securityContext"]["runAsUser"] == 10001


def test_signals_reach_the_command() -> None:
    assert of("ENTRYPOINT") == ['["towpath"]']
    assert of("CMD") == ['["server", "start"]']


def test_nothing_is_installed_from_a_distribution() -> None:
    assert not re.search(r"\b(apt|apk|dnf|curl|wget)\b", DOCKERFILE.read_text(encoding="utf-8"))


def test_the_context_has_what_the_package_is_built_from_and_no_more() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n")
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    allowed = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    packages = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    needed = {package.partition("/")[0] for package in packages}
    needed |= {PROJECT["project"]["readme"], "pyproject.toml", "LICENSE"}
    assert allowed == needed | {"wheels"}
    refused = [rule for rule in rules[1:] if not rule.startswith("!")]
    for secret in ("server.key", "sdk/tls.pem"):
        assert any(fnmatch(f"/{secret}", rule.replace("**", "*")) for rule in refused), secret


def test_versions_of_chart_and_image_are_the_packages() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert chart["appVersion"] == PROJECT["project"]["version"]
