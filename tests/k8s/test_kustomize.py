"""The example that patches what the chart renders."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import yaml

from tests.k8s.rendering import CHART, Rendered
from tests.k8s.tools import ROOT, run

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLE = ROOT / "k8s" / "examples" / "kustomize"


def test_the_example_patches_what_the_chart_renders(tmp_path: Path) -> None:
    for name in ("kustomization.yaml", "values.yaml"):
        shutil.copy(EXAMPLE / name, tmp_path)
    options = ("--namespace", "towpath", "--values", tmp_path / "values.yaml")
    plain = run("helm", "template", "towpath", CHART, *options)
    (tmp_path / "towpath.yaml").write_text(plain.stdout, encoding="utf-8")
    built = run("kubectl", "kustomize", tmp_path)
    assert built.returncode == 0, built.stderr
    before = Rendered([each for each in yaml.safe_load_all(plain.stdout) if each])
    after = Rendered([each for each in yaml.safe_load_all(built.stdout) if each])
    for role in ("api", "background"):
        name = f"towpath-{role}"
        [was] = before.one("Deployment", name)["spec"]["template"]["spec"]["containers"]
        [now] = after.one("Deployment", name)["spec"]["template"]["spec"]["containers"]
        changed = [
            pair for pair in zip(was["args"], now["args"], strict=True) if len(set(pair)) > 1
        ]
        assert changed == [("--log-format=json", "--log-format=text")]
    assert all(each["metadata"]["labels"]["team"] == "data" for each in after.objects)
    budget = after.one("PodDisruptionBudget", "towpath-api")
    assert budget["spec"]["maxUnavailable"] == "25%"
    assert (
        budget["spec"]["selector"]
        == before.one("PodDisruptionBudget", "towpath-api")["spec"]["selector"]
    )
    assert len(before.objects) - len(after.objects) == 2
    assert not after.of("Job")
    assert not after.of("Pod")
