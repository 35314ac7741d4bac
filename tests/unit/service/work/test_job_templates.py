"""Checks of job templates against the schema of their pool's kind."""

from __future__ import annotations

from typing import Any

import pytest
from towpath._work.kinds.process import ProcessKind
from towpath.extensions.job_templates import KUBERNETES, PROCESS
from towpath_service.core.errors import ServiceError
from towpath_service.work.application.job_templates import check_template

KNOWN = {
    *("type", "minimum", "default", "description"),
    *("additionalProperties", "items", "enum"),
}


@pytest.mark.parametrize(
    "template",
    [
        "",
        "{}",
        '{"env": {"A": "b", "N": 1, "ON": true}, "stop_seconds": 0.2, "python": "python3"}',
        '{"env": {"A": null}, "working_directory": null}',
    ],
)
def test_a_template_that_the_kind_has_is_taken(template: str) -> None:
    check_template("process", template, "f")


@pytest.mark.parametrize(
    ("template", "field", "told"),
    [
        (
            '{"working_dir": "/srv"}',
            "f.working_dir",
            "env, python, stop_seconds, working_directory",
        ),
        ('{"stop_seconds": -1}', "f.stop_seconds", "at least 0"),
        ('{"stop_seconds": true}', "f.stop_seconds", "must be a number"),
        ('{"python": 3}', "f.python", "must be a string"),
        ('{"env": "A=b"}', "f.env", "must be a JSON object"),
        ('{"env": {"A": ["b"]}}', "f.env.A", "must be a string or a number or true or false"),
        ("[]", "f", "must be a JSON object"),
    ],
)
def test_what_the_kind_has_not_is_refused_by_field(template: str, field: str, told: str) -> None:
    with pytest.raises(ServiceError) as raised:
        check_template("process", template, "f")
    assert raised.value.reason == "INVALID_REQUEST"
    [violation] = raised.value.violations
    assert (violation.field, told in violation.description) == (field, True)


@pytest.mark.parametrize(
    ("template", "field", "told"),
    [
        ('{"image": 3}', "f.image", "must be a string"),
        ('{"image_pull_policy": "never"}', "f.image_pull_policy", "Always, IfNotPresent, Never"),
        ('{"patches": {"op": "add"}}', "f.patches", "must be a list"),
        ('{"patches": [{"op": "add"}, "x"]}', "f.patches.1", "must be a JSON object"),
        ('{"limits": {"memory": true}}', "f.limits.memory", "must be a string or a number"),
        ('{"node_selector": {"gpu": 1}}', "f.node_selector.gpu", "must be a string"),
        ('{"keep_seconds": -1}', "f.keep_seconds", "at least 0"),
    ],
)
def test_what_jobs_have_not_is_refused_by_field(template: str, field: str, told: str) -> None:
    with pytest.raises(ServiceError) as raised:
        check_template("kubernetes", template, "f")
    [violation] = raised.value.violations
    assert (violation.field, told in violation.description) == (field, True)


def test_a_whole_template_of_jobs_is_taken() -> None:
    template = """{"image": "flows:1", "limits": {"cpu": 1, "memory": "1Gi"}, "env": {"A": 1},
        "tolerations": [{"key": "gpu"}], "image_pull_secrets": ["r"], "job": {"spec": {}},
        "patches": [{"op": "add", "path": "/a", "value": null}], "image_pull_policy": "Never"}"""
    check_template("kubernetes", template, "f")


def test_each_unknown_key_is_named() -> None:
    with pytest.raises(ServiceError, match="'image', 'cpu': unknown") as raised:
        check_template("process", '{"image": "a", "python": "p", "cpu": 2}', "f")
    assert [item.field for item in raised.value.violations] == ["f.image", "f.cpu"]


def test_a_kind_that_the_service_does_not_know_takes_any_object() -> None:
    check_template("cloud", '{"image": "a"}', "f")


def test_the_check_knows_all_keywords_of_the_schema() -> None:
    parts: list[dict[str, Any]] = [
        part for schema in (PROCESS, KUBERNETES) for part in schema["properties"].values()
    ]
    for part in parts:
        assert part.keys() <= KNOWN
        assert part.get("additionalProperties", {}).keys() <= KNOWN
        assert part.get("items", {}).keys() <= KNOWN
    assert ProcessKind.template_schema is PROCESS
