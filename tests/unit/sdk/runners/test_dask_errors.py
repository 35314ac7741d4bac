"""Exceptions are sent whole although Dask changes how Python pickles them."""

from __future__ import annotations

import copyreg
import pickle

import cloudpickle
import pytest
from towpath._runners.dask import library
from towpath._runners.remote.messages import dump_error
from towpath.exceptions import NotFound


def raised_below(frames: int, error: Exception) -> None:
    if not frames:
        raise error
    raised_below(frames - 1, error)


def test_an_error_from_deep_code_keeps_its_class() -> None:
    assert library.Client
    assert KeyError in copyreg.dispatch_table, "Dask pickles tracebacks no more"
    with pytest.raises(KeyError) as caught:
        raised_below(500, KeyError("station"))
    sent = cloudpickle.loads(dump_error(caught.value))
    assert (type(sent), sent.args) == (KeyError, ("station",))


def test_errors_of_towpath_are_pickled_without_their_tracebacks() -> None:
    assert library.Client
    with pytest.raises(NotFound) as caught:
        raised_below(500, NotFound("no such run", code="NOT_FOUND"))
    assert pickle.loads(pickle.dumps(caught.value)).code == "NOT_FOUND"
