"""Annotations that Python evaluates late, with names that are for type checkers only.

From Python 3.14 on all are evaluated late; before, those of a module that asks for it.
"""

from __future__ import annotations
import __future__

import sys
from types import FunctionType
from typing import Any

import pytest
from towpath import flow
from towpath._redaction import sensitive_parameters
from towpath._redaction.holding import guarded_parameters, shows_sensitive
from towpath.exceptions import DefinitionError

ASKS = 0 if sys.version_info >= (3, 14) else __future__.annotations.compiler_flag
CODE = """
class Login:
    token: Secret[Text]
    table: DataFrame

def load(table: DataFrame, key: Secret[Text], keys: list[Secret[Text]], rows: int = 3) -> Table:
    return rows

def use(logins: list[Login], tables: list[DataFrame]) -> Table:
    return tables
"""


@pytest.fixture
def module() -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "late"}
    exec(compile(CODE, "late.py", "exec", flags=ASKS, dont_inherit=True), names)
    return names


def loading(module: dict[str, Any]) -> FunctionType:
    load = module["load"]
    assert isinstance(load, FunctionType)
    return load


def test_what_can_not_be_looked_up_is_hidden_if_it_says_so(module: dict[str, Any]) -> None:
    assert sensitive_parameters(loading(module)) == {"key", "keys"}


def test_an_undefined_name_hides_no_sensitive_field_beside_it(module: dict[str, Any]) -> None:
    assert shows_sensitive(module["Login"]())
    assert guarded_parameters(module["use"]).keys() == {"logins"}


def test_a_flow_is_refused_as_it_runs_and_the_message_names_the_parameter(
    module: dict[str, Any],
) -> None:
    with pytest.raises(
        DefinitionError,
        match="parameter 'table' is annotated 'DataFrame', which can't be looked up",
    ):
        flow(loading(module))(1, "key", [])


def test_a_flow_that_takes_arguments_as_they_are_runs(module: dict[str, Any]) -> None:
    assert flow(loading(module), validate_parameters=False)(1, "key", []) == 3
