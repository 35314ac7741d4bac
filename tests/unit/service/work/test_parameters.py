"""Arguments against a JSON Schema: what fits, what doesn't and where, in bounded work."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from towpath_service.core.errors import ServiceError
from towpath_service.work.domain.parameters import (
    MOST_STEPS,
    check_parameters,
    check_schema,
)

from tests.budgets import examples

PARAMETERS = {
    "type": "object",
    "$defs": {"Size": {"type": "integer", "minimum": 1}},
    "properties": {
        "day": {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"},
        "sizes": {"type": "array", "items": {"$ref": "#/$defs/Size"}, "uniqueItems": True},
        "mode": {"enum": ["fast", "safe"]},
    },
    "required": ["day"],
    "additionalProperties": False,
}


def misfits(schema: dict[str, Any], parameters: dict[str, Any]) -> dict[str, str]:
    """The fields that don't fit, with their descriptions."""
    check_schema(schema)
    try:
        check_parameters(schema, parameters)
    except ServiceError as error:
        return {item.field: item.description for item in error.violations}
    return {}


def test_names_of_values_that_the_run_replaces_fit_each_schema() -> None:
    named = {"day": "{{ variables.day }}", "sizes": ["{{prefect.variables.size}}"]}
    assert misfits(PARAMETERS, named) == {}
    assert misfits(PARAMETERS, {"day": "{{ secrets.day }}", "mode": "{{ variables.a_b-c }}"}) == {}
    for wrong in ("{{ variables.A }}", "on {{ variables.day }}", "{{ other.day }}"):
        assert misfits(PARAMETERS, {"day": wrong}).keys() == {"parameters.day"}
    assert misfits(PARAMETERS, {**named, "x": "{{ variables.x }}"}).keys() == {"parameters"}


@pytest.mark.parametrize(
    ("parameters", "fields"),
    [
        ({"day": "2026-12-01"}, set[str]()),
        ({"day": "2026-12-01", "sizes": [1, 2], "mode": "fast"}, set[str]()),
        ({}, {"parameters"}),
        ({"day": "today"}, {"parameters.day"}),
        ({"day": 3}, {"parameters.day"}),
        (
            {"day": "2026-12-01", "sizes": [1, 0, "x"]},
            {"parameters.sizes[1]", "parameters.sizes[2]"},
        ),
        ({"day": "2026-12-01", "sizes": [1, 1.0]}, {"parameters.sizes"}),
        ({"day": "2026-12-01", "mode": "slow", "more": 1}, {"parameters.mode", "parameters"}),
    ],
)
def test_each_misfit_is_told_with_its_path(parameters: dict[str, Any], fields: set[str]) -> None:
    assert misfits(PARAMETERS, parameters).keys() == fields


def test_at_most_six_misfits_are_told() -> None:
    schema = {"additionalProperties": {"type": "string"}}
    assert len(misfits(schema, {f"a{number}": number for number in range(50)})) == 6


def test_a_long_value_is_cut_in_the_message() -> None:
    told = misfits({"properties": {"a": {"type": "integer"}}}, {"a": "x" * 60_000})
    assert len(told["parameters.a"]) < 300


def test_properties_are_matched_by_pattern() -> None:
    schema = {
        "patternProperties": {"^n_": {"type": "integer"}},
        "additionalProperties": {"type": "string"},
    }
    assert misfits(schema, {"n_a": 1, "b": "x"}) == {}
    assert misfits(schema, {"n_a": "x", "b": 1}).keys() == {"parameters.n_a", "parameters.b"}


BAD: dict[str, dict[str, Any]] = {
    "no type": {"type": "strin"},
    "another document": {"$ref": "https://example.org/a.json"},
    "a file": {"properties": {"a": {"$ref": "file:///etc/passwd"}}},
    "another dialect": {"$schema": "http://json-schema.org/draft-07/schema#"},
    "another dialect within": {"properties": {"a": {"$schema": "http://json-schema.org/schema#"}}},
    "look-around": {"pattern": "(?=a)"},
    "no pattern": {"patternProperties": {"[": {}}},
    "what is left over": {"unevaluatedProperties": False},
}


@pytest.mark.parametrize("what", BAD)
def test_a_schema_that_cannot_be_used_is_refused(what: str) -> None:
    with pytest.raises(ServiceError) as raised:
        check_schema(BAD[what])
    assert raised.value.reason == "INVALID_REQUEST"


def test_data_in_a_schema_is_no_schema() -> None:
    check_schema({"default": {"pattern": "(?=a)", "$ref": "x"}, "examples": [{"$schema": "y"}]})


def doubling(levels: int) -> dict[str, Any]:
    """A schema that takes two steps to the power of its levels."""
    definitions: dict[str, Any] = {
        f"a{number}": {"allOf": [{"$ref": f"#/$defs/a{number + 1}"}] * 2}
        for number in range(levels)
    }
    return {"$defs": {**definitions, f"a{levels}": {}}, "$ref": "#/$defs/a0"}


ENDLESS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a circle": ({"$ref": "#"}, {}),
    "a tree": (doubling(40), {}),
    "many times many": (
        {"properties": {"x": {"items": {"enum": list(range(MOST_STEPS))}}}},
        {"x": ["a", "b"]},
    ),
}


@pytest.mark.parametrize("what", ENDLESS)
def test_a_check_without_an_end_is_refused(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # The number of steps decides, so fewer of them show the same, sooner.
    if what == "a tree":
        monkeypatch.setattr("towpath_service.work.domain.parameters.MOST_STEPS", 1_000)
    told = misfits(*ENDLESS[what])
    assert told == {"parameters": "the schema is too complex to check these arguments against"}


def test_a_pattern_takes_linear_time() -> None:
    # A backtracking matcher takes two steps to the power of 40.
    schema = {"properties": {"a": {"pattern": "^(a|a)*$"}}}
    assert misfits(schema, {"a": "a" * 40 + "b"}).keys() == {"parameters.a"}


def test_a_reference_to_nothing_is_refused() -> None:
    with pytest.raises(ServiceError) as raised:
        check_parameters({"$ref": "#/$defs/gone"}, {})
    assert raised.value.violations[0].field == "parameter_schema_json"


Json = dict[str, Any]
_names = st.sampled_from("abc")


def _containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=3)


def _wrapped(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Schemas that contain others."""
    objects = st.fixed_dictionaries(
        {
            "properties": st.fixed_dictionaries({"a": inner}),
            "patternProperties": st.fixed_dictionaries({"^b": inner}),
            "additionalProperties": inner | st.booleans(),
        }
    )
    return st.one_of(
        st.fixed_dictionaries({"items": inner}),
        st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=2)}),
        st.fixed_dictionaries({"not": inner}),
        objects,
    )


_plain: list[Json] = [
    {},
    {"type": "integer"},
    {"type": ["string", "null"]},
    {"minimum": 1},
    {"pattern": "^a"},
    {"enum": [1, "a", None]},
    {"uniqueItems": True},
    {"const": 1},
    {"required": ["a"]},
]
_leaves: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([1.0, 0.5, "a", "ab", ""])
)
_values = st.recursive(_leaves, _containers, max_leaves=6)
_schemas: st.SearchStrategy[Any] = st.recursive(st.sampled_from(_plain), _wrapped, max_leaves=6)


@settings(max_examples=examples(200), deadline=None)
@given(_schemas, st.dictionaries(st.sampled_from("abc"), _values, max_size=3))
def test_the_bounded_check_finds_what_the_library_finds(
    schema: dict[str, Any], parameters: dict[str, Any]
) -> None:
    library: Any = jsonschema.Draft202012Validator(schema)
    expected = library.is_valid(parameters)
    assert (misfits(schema, parameters) == {}) is expected
