"""Messages on arguments that don't fit: complete, short, and without anything sensitive."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, Optional, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, SecretStr, field_validator
from towpath import Secret, Sensitive, flow
from towpath.exceptions import ParameterError
from towpath.testing import Harness  # noqa: TC002 - a fixture's annotation may be looked up
from typing_extensions import TypeAliasType, TypedDict

HIDDEN = "correct horse battery"
T = TypeVar("T")


class Login(BaseModel):
    user: str
    password: SecretStr


class Marked(BaseModel):
    model_config = ConfigDict(extra="forbid")
    age: int = Field(validation_alias=AliasChoices("age", "years"))
    token: Annotated[str, Sensitive]

    @field_validator("token")
    @classmethod
    def refuses(cls, value: str) -> str:
        raise ValueError(f"{value[:4]} is no token")


@dataclass
class Account:
    name: str
    login: Login
    more: list[Account] = field(default_factory=list)


class Typed(TypedDict):
    number: int
    key: Annotated[str, Sensitive]


class Named(NamedTuple):
    number: int
    secret: SecretStr


class Box(BaseModel, Generic[T]):
    items: list[T]


class Deep(BaseModel):
    number: int
    kids: list[Deep] = []
    accounts: dict[str, Optional[Account]] = {}  # noqa: UP045 - as older code has it


Credential = NewType("Credential", Login)
Logins = TypeAliasType("Logins", "list[Login | Logins]")


class Row(BaseModel):
    name: str
    age: int = 0


class Unshown:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    def __str__(self) -> str:
        raise RuntimeError("no text")


def message_of(annotation: Any, value: Any) -> str:
    def body(it: Any) -> None: ...

    body.__annotations__ = {"it": annotation}
    with pytest.raises(ParameterError) as caught:
        flow(body)(value)
    # Neither the message nor what a debugger or an error tracker finds with it.
    assert caught.value.__context__ is None
    return str(caught.value)


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Login, {"password": HIDDEN}),
        (Login, HIDDEN),
        (Optional[Login], {"password": HIDDEN}),  # noqa: UP045 - see Deep
        (Login | int, {"password": HIDDEN}),
        (list[Login], [{"password": HIDDEN}]),
        (dict[str, Login], {HIDDEN: {"password": HIDDEN}}),
        (Account, {"name": "x", "login": {"password": HIDDEN}}),
        (Account, {"name": "x", "login": HIDDEN, "more": HIDDEN}),
        (Typed, {"number": "x", "key": HIDDEN}),
        (Named, ["x", HIDDEN]),
        (Box[Login], {"items": [{"password": HIDDEN}]}),
        (Box[SecretStr], {"items": HIDDEN}),
        (Deep, {"number": HIDDEN}),
        (Deep, {"number": 1, "accounts": {HIDDEN: {"login": {"password": HIDDEN}}}}),
        (Credential, {"password": HIDDEN}),
        (Logins, [[{"password": HIDDEN}]]),
        (Marked, {"age": 1, "token": HIDDEN}),
        (Marked, {"age": HIDDEN, HIDDEN: 1}),
        (Annotated[Literal["a", "b"], Sensitive], HIDDEN),
        (Annotated[int, Sensitive], HIDDEN),
        (Secret, HIDDEN),
        ("Login", {"password": HIDDEN}),
        ("list[Login]", [{"password": HIDDEN}]),
        # Types that hold nothing sensitive, given objects that do.
        (int, Login(user="u", password=HIDDEN)),
        (int, [Typed(number=1, key="k"), Marked.model_construct(age=1, token=HIDDEN)]),
        (str, Account("n", Login(user="u", password=HIDDEN))),
    ],
    ids=str,
)
def test_nothing_below_what_holds_something_sensitive_is_shown(annotation: Any, value: Any) -> None:
    message = message_of(annotation, value)
    assert "***" in message
    for length in range(4, len(HIDDEN)):
        assert HIDDEN[:length] not in message


def test_places_and_reasons_are_shown_beside_what_is_hidden() -> None:
    message = message_of(dict[str, Marked], {"key": {"years": "x", "token": HIDDEN, "odd": 1}})
    assert "parameter 'it'[***]['years']: Input should be a valid integer" in message
    assert "parameter 'it'[***]['token']: its validator refuses it, but got ***" in message
    assert "parameter 'it'[***][***]: Extra inputs are not permitted, but got ***" in message


def test_sensitive_arguments_are_not_shown_as_another_argument() -> None:
    @flow
    def two(number: int, login: Login) -> None: ...

    with pytest.raises(ParameterError) as caught:
        two(HIDDEN, {"user": "u", "password": HIDDEN})
    assert str(caught.value).endswith("but got '***'")


def test_all_that_is_wrong_is_told_with_its_place() -> None:
    @flow
    def several(left: int, right: int, rows: list[Row]) -> None: ...

    with pytest.raises(ParameterError) as caught:
        several("x", "y", [{"name": "a"}, {}, {"name": "b", "age": "old"}])
    integer = "Input should be a valid integer, unable to parse string as an integer, but got"
    assert str(caught.value) == (
        f"flow 'several': parameter 'left': {integer} 'x'; parameter 'right': {integer} 'y';"
        " parameter 'rows'[1]['name']: Field required, but got {};"
        f" parameter 'rows'[2]['age']: {integer} 'old'"
    )


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (list[Row], [{"age": 1, "x": "y" * 5_000_000}]),
        (list[int], ["many"] * 100_000),
        (int, {f"{key}" * 100: [["deep"]] for key in range(10_000)}),
        (dict[str, int], {"k" * 1_000_000: "x"}),
        (list[int], 10**5000),
    ],
    ids=["a long text", "many errors", "a large dict", "a long key", "a large integer"],
)
def test_messages_are_short_whatever_the_input(annotation: Any, value: Any) -> None:
    assert len(message_of(annotation, value)) < 10_000


def test_the_number_of_errors_left_out_is_told() -> None:
    assert message_of(list[int], ["many"] * 1000).endswith(" more")


def test_an_input_without_a_repr_is_the_same_error() -> None:
    assert "but got <Unshown" in message_of(int, Unshown())
    assert "but got ***" in message_of(Login, {"password": Unshown()})


def test_defaults_are_short_and_hidden_in_the_signature_of_a_call_that_does_not_fit() -> None:
    @flow
    def signs_in(
        user: str,
        password: Annotated[str, Sensitive] = HIDDEN,
        rows: Any = tuple(range(100_000)),
        odd: Any = Unshown(),  # noqa: B008 - see above
    ) -> None: ...

    with pytest.raises(ParameterError, match=r"missing a required argument: 'user'") as caught:
        signs_in()
    message = str(caught.value)
    assert "its signature is (user: 'str', password: " in message
    assert HIDDEN not in message
    assert len(message) < 1000


def test_nothing_sensitive_is_recorded_of_a_flow_whose_subflow_was_called_wrongly(
    towpath_harness: Harness,
) -> None:
    @flow
    def login(login: Login) -> None: ...

    @flow
    def outer() -> None:
        login({"password": HIDDEN})

    with pytest.raises(ParameterError) as caught:
        outer()
    assert HIDDEN not in "".join(traceback.format_exception(caught.value))
    run = towpath_harness.run("outer")
    assert "Field required" in run.message
    assert HIDDEN not in repr((run.message, run.states, run.logs))


def takes(count: int, marked: Marked, login: Login) -> None: ...


@settings(deadline=None)
@given(st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF), min_size=6), st.data())
def test_no_secret_is_in_any_message(secret: str, data: st.DataObject) -> None:
    # Characters that stand in no message of pydantic's.
    inputs = st.recursive(
        st.just(secret) | st.integers() | st.none(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["user", "password", "age", "token", secret]), inner, max_size=4
            )
        ),
    )
    with pytest.raises(ParameterError) as caught:
        flow(takes)("x", data.draw(inputs), {"user": "u", "password": secret, "a": 1, "age": []})
    assert secret not in str(caught.value)
