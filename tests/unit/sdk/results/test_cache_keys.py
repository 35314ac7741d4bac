"""Tasks whose keys must tell everything apart that a result depends on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from towpath import flow, task
from towpath._results.cache_policies import code_bytes
from towpath.cache_policies import (
    FLOW_PARAMETERS,
    INPUTS,
    TASK_SOURCE,
    CachePolicy,
    CompoundCachePolicy,
)
from towpath.exceptions import UnhashableInputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from towpath.testing import Harness

SEEN: list[Any] = []


def noted(_run: Any, arguments: dict[str, Any]) -> str:
    SEEN.append(arguments)
    return str(arguments["self"].factor)


class Scaling:
    def __init__(self, factor: Any) -> None:
        self.factor = factor

    @task(cache_policy=INPUTS)
    def by_inputs(self, value: int) -> int:
        return self.factor * value

    @task(persist_result=True)
    def kept(self, value: int) -> int:
        return self.factor * value

    @task(cache_key_fn=noted)
    def by_function(self, value: int) -> int:
        return self.factor * value

    @task(cache_policy=INPUTS - "self")
    def without(self, value: int) -> int:
        return self.factor * value

    @task(cache_policy=INPUTS)
    @classmethod
    def of_class(cls, value: int) -> str:
        return f"{cls.__name__} {value}"

    @flow
    def inside(self) -> int:
        return flow_bound(1)


class Further(Scaling):
    pass


@task(cache_policy=FLOW_PARAMETERS)
def flow_bound(value: int) -> int:
    SEEN.append(value)
    return len(SEEN)


@pytest.mark.parametrize("name", ["by_inputs", "kept", "by_function"])
def test_the_object_of_a_method_is_an_input(name: str, towpath_harness: Harness) -> None:
    @flow
    def calls() -> list[int]:
        return [
            *(getattr(Scaling(factor), name)(1) for factor in (1, 10, 1)),
            getattr(Scaling(10), name).submit(2).result(),
        ]

    # 10 x 2 has the key of 10 x 1 where the function says so.
    assert calls() == [1, 10, 1, 10 if name == "by_function" else 20]
    reasons = [run.reason for run in towpath_harness.runs if run.kind == "task"]
    assert reasons == ["", "", "CACHED", "CACHED" if name == "by_function" else ""]


def test_the_object_can_be_left_out_and_is_named_where_it_has_no_hash(
    towpath_harness: Harness,
) -> None:
    @flow
    def left_out() -> list[int]:
        return [Scaling(factor).without(1) for factor in (1, 10)]

    assert left_out() == [1, 1]

    @flow
    def named() -> int:
        return Scaling(object()).by_inputs(1)

    with pytest.raises(
        UnhashableInputError, match=r"'self' .*\.factor is a object.*INPUTS - 'self'"
    ):
        named()


def test_the_class_of_a_class_method_is_an_input(towpath_harness: Harness) -> None:
    @flow
    def calls() -> list[str]:
        return [Scaling.of_class(1), Further.of_class(1), Scaling.of_class(1)]

    assert calls() == ["Scaling 1", "Further 1", "Scaling 1"]


def test_the_object_of_a_flow_is_one_of_its_parameters(towpath_harness: Harness) -> None:
    SEEN.clear()
    assert [Scaling(factor).inside() for factor in (1, 2, 1)] == [1, 2, 1]


def test_lambdas_and_what_functions_make_are_different_tasks(towpath_harness: Harness) -> None:
    def made(number: int, apply: Callable[[int], int]) -> Any:
        @task(cache_policy=INPUTS)
        def compute(value: int) -> int:
            return apply(value) * number

        return compute

    cached = task(cache_policy=INPUTS)
    tasks = [
        cached(lambda value: value + 1),
        cached(lambda value: value * 10),
        made(2, lambda value: value),
        made(3, lambda value: value),
        made(3, lambda value: -value),
        made(2, lambda value: value),
    ]

    @flow
    def calls() -> list[int]:
        return [each(4) for each in tasks]

    assert calls() == [5, 40, 8, 12, -12, 8]
    reasons = [run.reason for run in towpath_harness.runs if run.kind == "task"]
    assert reasons == [*[""] * 5, "CACHED"]


def test_a_lambda_as_an_argument_fails_the_call_and_is_named(towpath_harness: Harness) -> None:
    @task(cache_policy=INPUTS)
    def applied(function: Callable[[int], int]) -> int:
        return function(1)

    @flow
    def calls() -> list[int]:
        return [applied(lambda value: value + 1), applied(lambda value: value * 10)]

    with pytest.raises(UnhashableInputError, match=r"'function'.*lambda"):
        calls()


@dataclass(frozen=True)
class Fixed(CachePolicy):
    key: str

    def compute_key(self, *_: Any, **__: Any) -> str:
        return self.key


def test_keys_of_several_policies_do_not_run_into_each_other() -> None:
    keys = [
        CompoundCachePolicy(policies=tuple(map(Fixed, parts))).compute_key(Any, {}, {})  # type: ignore[arg-type]
        for parts in (("a\nb", "c"), ("a", "b\nc"), ("a", "b", "c"))
    ]
    assert len(set(keys)) == 3


def test_the_code_of_a_function_without_source_is_the_same_in_every_process() -> None:
    def function_of(source: str) -> Any:
        names: dict[str, Any] = {}
        exec(source, names)
        return names["f"]

    def code_of(source: str) -> bytes:
        return code_bytes(function_of(source).__code__)

    nested = "def f(x):\n  def g(y): return y in {'a', 'b'}\n  return g(x)"
    assert code_of(nested) == code_of(nested)
    assert b" at 0x" not in code_of(nested)
    assert code_of(nested) != code_of(nested.replace("'b'", "'c'"))
    assert code_of("def f(x): return x + 1") != code_of("def f(x): return x + 2")


def test_source_tells_apart_what_has_no_file(towpath_harness: Harness) -> None:
    names: dict[str, Any] = {"__name__": __name__}
    exec("def f(): return 1", names)
    one = task(names["f"], name="one", cache_policy=INPUTS + TASK_SOURCE)
    exec("def f(): return 2", names)
    other = task(names["f"], name="one", cache_policy=INPUTS + TASK_SOURCE)

    @flow
    def calls() -> list[int]:
        return [one(), other()]

    assert calls() == [1, 2]
