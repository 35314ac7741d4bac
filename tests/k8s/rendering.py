"""What the chart renders, as objects that tests look at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import yaml

from tests.k8s.tools import ROOT, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

CHART: Final = ROOT / "k8s" / "chart" / "towpath"
VALUES: Final = {file.name.removesuffix("-values.yaml"): file for file in (CHART / "ci").iterdir()}
"""Files of values, by what they are for."""

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rendered:
    """The objects of a chart."""

    objects: Sequence[Object]

    def of(self, kind: str) -> list[Object]:
        """The objects of a kind."""
        return [each for each in self.objects if each["kind"] == kind]

    def one(self, kind: str, name: str) -> Object:
        """An object by its name."""
        (found,) = [each for each in self.of(kind) if each["metadata"]["name"] == name]
        return found

    def pods(self) -> Iterator[tuple[str, Object]]:
        """Each pod, or template of one, with the name of its object."""
        for each in self.objects:
            name = f"{each['kind']}/{each['metadata']['name']}"
            if each["kind"] == "Pod":
                yield name, each
            elif "template" in each.get("spec", {}):
                yield name, each["spec"]["template"]

    def containers(self) -> Iterator[tuple[str, Object]]:
        """Each container, with the names of its object and its own."""
        for name, pod in self.pods():
            for each in containers_of(pod):
                yield f"{name}/{each['name']}", each

    def selected(self, selector: Mapping[str, str]) -> list[Object]:
        """The pods, or templates, that a selector matches."""
        assert selector
        return [
            pod for _, pod in self.pods() if selector.items() <= pod["metadata"]["labels"].items()
        ]


def containers_of(pod: Object) -> list[Object]:
    """The containers of a pod, those that run first included."""
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


@cache
def rendered(values: str, *settings: str, release: str = "towpath") -> Rendered:
    """The chart with a file of values, and settings such as "api.replicas=3"."""
    ended = template(values, *settings, release=release)
    assert ended.returncode == 0, ended.stderr
    return Rendered([each for each in yaml.safe_load_all(ended.stdout) if each])


def template(values: str, *settings: str, release: str = "towpath") -> Any:
    """Renders the chart, which may fail."""
    given = [word for each in settings for word in ("--set", each)]
    options = ("--namespace", "prod", "--values", VALUES[values], *given)
    return run("helm", "template", release, CHART, *options)
