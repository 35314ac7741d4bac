from __future__ import annotations

import asyncio
import copy
import pickle

import cloudpickle
import pytest
from towpath import Secret, flow, get_run_logger, task
from towpath._settings.layers import strange_variables
from towpath.exceptions import ConfigurationError, NotFound
from towpath.testing import harness

VALUE = "canary-7f3d9a51c2"


@pytest.fixture
def home(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWPATH_HOME", str(tmp_path))


def test_a_variable_stands_in_for_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWPATH_SECRET_DB_PASSWORD", VALUE)
    secret = Secret.load("db-password")
    assert (secret.name, secret.get(), secret.get_bytes()) == ("db-password", VALUE, VALUE.encode())
    assert asyncio.run(Secret.aload("db-password")).get() == VALUE
    # It is no setting that somebody has misspelt.
    assert "TOWPATH_SECRET_DB_PASSWORD" not in strange_variables()


@pytest.mark.parametrize("show", [str, repr, "{}".format, "{!r:>3}".format, "%s".__mod__])
def test_a_value_is_shown_by_nothing(show: object) -> None:
    assert callable(show)
    assert show(Secret("x", VALUE.encode())) == "***"
    assert not hasattr(Secret("x", b"y"), "__dict__")


def test_a_secret_isnt_pickled() -> None:
    secret = Secret("x", VALUE.encode())
    for dump in (pickle.dumps, cloudpickle.dumps, copy.copy):
        with pytest.raises(TypeError, match="hand its name on") as raised:
            dump(secret)
        assert VALUE not in str(raised.value)


def test_what_is_no_text_is_told_without_it() -> None:
    secret = Secret("x", b"\xff" + VALUE.encode())
    with pytest.raises(ConfigurationError, match="get_bytes") as raised:
        secret.get()
    assert raised.value.__context__ is None
    assert secret.get_bytes().endswith(VALUE.encode())


def test_a_secret_that_isnt_there_is_named_with_what_to_do(home: None) -> None:
    with pytest.raises(NotFound, match="`towpath secret create db-password` it, or set") as raised:
        Secret.load("db-password")
    assert raised.value.reason == "RESOURCE_NOT_FOUND"
    assert "TOWPATH_SECRET_DB_PASSWORD" in str(raised.value)


def test_a_value_is_kept_out_of_what_its_run_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWPATH_SECRET_DB_PASSWORD", VALUE)

    @task
    def careless() -> None:
        get_run_logger().info("it is %s", asyncio.run(Secret.aload("db-password")).get())
        raise ValueError(f"{VALUE} is wrong")

    @flow
    def careful() -> None:
        careless()

    with harness() as recording:
        state = careful(return_state=True)
    assert [line.body for line in recording.run("careless").logs] == ["it is ***"]
    assert state.message is not None
    assert VALUE not in state.message
    assert VALUE not in repr(recording.runs)
