"""The reference of the values of the Helm chart: its schema, walked beside its defaults."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml

from website.markdown import code, page, table
from website.places import CHART

if TYPE_CHECKING:
    from collections.abc import Iterator

_INTRODUCTION = """
Values of the chart `k8s/chart/towpath`, which [the guide](../guides/kubernetes.md) installs. The
chart refuses a value that isn't listed here, and one of another form. Secrets are named, and never
made by the chart.
"""


def helm_values_page() -> str:
    """Every value with its meaning and its default."""
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    defaults = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    parts: list[str] = []
    single: list[tuple[str, str, str]] = []
    for name, declared in schema["properties"].items():
        if name not in defaults:
            continue
        inner = _resolved(schema, declared)
        rows = list(_rows(schema, inner, defaults[name], name))
        if "properties" in inner:
            parts += [f"## {name}", inner["description"], _table(rows)]
        else:
            single += rows
    return page("Helm values", _INTRODUCTION, *parts, "## Others", _table(single))


def _table(rows: list[tuple[str, str, str]]) -> str:
    return table(("value", "meaning", "default"), rows)


def _rows(
    schema: dict[str, Any], declared: dict[str, Any], default: Any, path: str
) -> Iterator[tuple[str, str, str]]:
    """The rows of a value, or of those within it."""
    if "properties" not in declared or not default:
        yield code(path), _meaning(declared), code(_written(default))
        return
    for name, each in declared["properties"].items():
        yield from _rows(schema, _resolved(schema, each), default[name], f"{path}.{name}")


def _resolved(schema: dict[str, Any], declared: dict[str, Any]) -> dict[str, Any]:
    reference: str = declared.get("$ref", "")
    return schema["$defs"][reference.rpartition("/")[2]] if reference else declared


def _meaning(declared: dict[str, Any]) -> str:
    meaning: str = declared["description"]
    words = [word for word in declared.get("enum", []) if word]
    return f"{meaning} One of {', '.join(map(code, words))}." if words else meaning


def _written(default: Any) -> str:
    return default if isinstance(default, str) else json.dumps(default)
