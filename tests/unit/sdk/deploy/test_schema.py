"""The JSON Schema of a flow's parameters."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from towpath import flow
from towpath._deploy.docstrings import descriptions_of
from towpath._deploy.schema import parameter_schema
from towpath.exceptions import DefinitionError

from tests.unit.sdk.deploy import sample_flows


class Opaque:
    """No JSON Schema says what this is."""


def schema_of(flow: Any) -> dict[str, Any]:
    return parameter_schema(flow)


def accepts(schema: dict[str, Any], arguments: dict[str, Any]) -> bool:
    validator: Any = jsonschema.Draft202012Validator(schema)
    return bool(validator.is_valid(arguments))


def test_a_schema_has_types_defaults_and_descriptions() -> None:
    schema = schema_of(sample_flows.load)
    properties = schema["properties"]
    assert schema["required"] == ["day"]
    assert properties["day"] == {
        "title": "day",
        "type": "string",
        "format": "date",
        "description": "The day to load, in UTC.",
    }
    assert properties["mode"]["enum"] == ["full", "delta"]
    assert properties["mode"]["default"] == "full"
    assert properties["window"]["default"] == {"days": 3}
    assert properties["limit"]["description"] == "Most rows."
    assert schema["additionalProperties"] is False


def test_a_sensitive_parameter_is_write_only_and_its_default_is_not_shown() -> None:
    schema = schema_of(sample_flows.load)
    assert schema["properties"]["password"] == {
        "title": "password",
        "type": "string",
        "writeOnly": True,
    }
    assert "hunter2" not in str(schema)


def test_a_schema_refuses_what_does_not_fit() -> None:
    schema = schema_of(sample_flows.load)
    assert accepts(schema, {"day": "2026-12-01", "window": {"days": 1}})
    assert not accepts(schema, {})
    assert not accepts(schema, {"day": "2026-12-01", "dya": 1})
    assert not accepts(schema, {"day": "2026-12-01", "limit": "many"})


def test_keyword_arguments_of_any_name_are_taken() -> None:
    assert schema_of(sample_flows.send)["additionalProperties"] is True


def test_a_flow_without_validation_takes_any_values_of_its_names() -> None:
    schema = schema_of(sample_flows.anything)
    assert accepts(schema, {"x": "text"})
    assert not accepts(schema, {"y": 1})


def test_types_that_json_cannot_express_take_any_value() -> None:
    @flow
    def opaque(x: Opaque, y: list[Opaque]) -> None:
        """Takes what only Python has."""

    schema = schema_of(opaque)
    assert accepts(schema, {"x": 1, "y": ["two"]})


def test_names_that_models_reserve_are_parameters_like_others() -> None:
    @flow
    def odd(model_config: int, _hidden: str, schema: str = "x") -> None:
        """Has such names."""

    schema = schema_of(odd)
    assert set(schema["properties"]) == {"model_config", "_hidden", "schema"}
    assert schema["required"] == ["model_config", "_hidden"]


def test_a_positional_parameter_without_default_is_refused() -> None:
    @flow
    def positional(x: int, /) -> None:
        """Can't be called by name."""

    with pytest.raises(DefinitionError, match="'x' is positional-only"):
        schema_of(positional)


@given(st.dictionaries(st.sampled_from("abc"), st.integers() | st.text() | st.none()))
def test_the_schema_and_the_call_agree_on_names(arguments: dict[str, Any]) -> None:
    @flow(validate_parameters=False)
    def taking(a: object, b: object = 1) -> None:
        """Takes two."""

    fits = "a" in arguments and "c" not in arguments
    assert accepts(schema_of(taking), arguments) is fits


GOOGLE = """Does.

Args:
    day: The day,
        in UTC.
    n (int): Number: of rows.

Returns:
    x: y
"""
SPHINX = """Does.

:param day: The day,
    in UTC.
:param int n: Number: of rows.
:returns: x
"""
NUMPY = """Does.

Parameters
----------
day : str
    The day,
    in UTC.
n
    Number: of rows.

Returns
-------
x
    y
"""


@pytest.mark.parametrize("text", [GOOGLE, SPHINX, NUMPY], ids=["google", "sphinx", "numpy"])
def test_descriptions_are_read_in_three_styles(text: str) -> None:
    def function() -> None:
        """Replaced."""

    function.__doc__ = text
    assert descriptions_of(function) == {"day": "The day, in UTC.", "n": "Number: of rows."}


@given(st.text(alphabet=st.sampled_from("Args:\n -param:x()*"), max_size=60))
def test_any_docstring_can_be_read(text: str) -> None:
    def function() -> None:
        """Replaced."""

    function.__doc__ = text
    assert all(descriptions_of(function).values())
