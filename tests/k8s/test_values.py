"""Values: each is described, none is unknown, and those that contradict each other are refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.k8s.rendering import CHART, template

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
DEFAULTS: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref")
    return SCHEMA["$defs"][reference.rpartition("/")[2]] if reference else schema


def objects(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Each object of the schema that has names of its own, by its path."""
    schema = resolved(schema)
    if "properties" in schema:
        yield path, schema
        for name, inner in schema["properties"].items():
            yield from objects(inner, f"{path}/{name}")
    if "items" in schema:
        yield from objects(schema["items"], f"{path}/-")


def test_no_object_takes_a_name_that_it_doesnt_know() -> None:
    for path, schema in objects(SCHEMA):
        assert schema["additionalProperties"] is False, path


def test_each_value_is_described_by_a_sentence() -> None:
    for path, schema in objects(SCHEMA):
        if not path.startswith("/") or path.endswith("extraEnv/-"):
            continue
        for name, inner in schema["properties"].items():
            assert resolved(inner)["description"].endswith("."), f"{path}/{name}"


def test_each_value_has_a_default_and_each_default_is_a_value() -> None:
    compared(SCHEMA, DEFAULTS)


def compared(schema: dict[str, Any], defaults: Any, path: str = "") -> None:
    properties = resolved(schema).get("properties")
    if properties is None or not isinstance(defaults, dict):
        return
    assert defaults.keys() == properties.keys() - {"global"}, path
    for name, default in defaults.items():
        compared(properties[name], default, f"{path}/{name}")


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("api.replica=3", "'replica' not allowed"),
        ("aip.replicas=3", "'aip' not allowed"),
        ("database.existingSecret=", "at '/database/existingSecret'"),
        ("keys.existingSecret=", "at '/keys/existingSecret'"),
        ("api.replicas=none", "at '/api/replicas'"),
        ("api.replicas=0", "at '/api/replicas'"),
        ("retention.logs=30 days", "at '/retention/logs'"),
        ("image.digest=latest", "at '/image/digest'"),
        ("topologySpread.zones=always", "at '/topologySpread/zones'"),
        ("api.podDisruptionBudget.maxUnavailable=0", "maxUnavailable"),
        ("api.podDisruptionBudget.maxUnavailable=0%", "maxUnavailable"),
        ("extraEnv[0].name=TOWPATH_SERVER_DATABASE,extraEnv[0].value=x", "at '/extraEnv/0'"),
        ("worker.extraEnv[0].name=TOWPATH_API_KEY,worker.extraEnv[0].value=x", "extraEnv/0"),
        ("tls.existingSecret=", "keys of callers need TLS"),
        ("tls.behindProxy=true", "exclude each other"),
        ("identity.enabled=false,cloud=true", "cloud needs identity.enabled"),
        ("drain.waitSeconds=30", "above drain.waitSeconds by 20"),
        ("serviceMonitor.enabled=true", "needs metrics.enabled"),
        ("api.autoscaling.enabled=true,api.autoscaling.minReplicas=9", "is above"),
        ("worker.enabled=true", "worker.apiKey.existingSecret must name"),
        (
            "worker.enabled=true,worker.apiKey.existingSecret=a,worker.graceSeconds=100",
            "above worker.graceSeconds by 30",
        ),
        (
            "worker.enabled=true,worker.apiKey.existingSecret=a,tls.existingSecret=,tls.behindProxy=true",
            "worker.serverAddress must name",
        ),
        ("ingress.enabled=true", "needs ingress.host"),
        ("ingress.grpc.enabled=true", "needs ingress.grpc.host"),
        ("gateway.enabled=true", "needs gateway.parentRefs"),
        ("gateway.grpc.enabled=true", "needs gateway.grpc.parentRefs"),
    ],
)
def test_a_wrong_value_is_refused_with_its_name(setting: str, said: str) -> None:
    ended = template("minimal", setting)
    assert ended.returncode != 0
    assert said in ended.stderr
