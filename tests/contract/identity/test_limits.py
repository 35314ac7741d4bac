from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from towpath_auth import LOCAL_CALLER, Caller
from towpath_service.core import tenant_limits as limits
from towpath_service.core.errors import ServiceError
from towpath_service.core.tenant_limits import Quota, StreamQuota, TenantLimits
from towpath_service.core.token_bucket import Bucket
from towpath_service.rpc.errors import to_status

if TYPE_CHECKING:
    from tests.in_process.place import Place

CLAIMS: Any = object()


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def caller(tenant_id: str = "a", **quotas: int) -> Caller:
    return replace(LOCAL_CALLER, tenant_id=tenant_id, claims=CLAIMS, quotas=quotas)


@given(
    rate=st.integers(min_value=1, max_value=1000),
    takings=st.lists(
        st.tuples(st.floats(min_value=-1, max_value=5), st.integers(min_value=0, max_value=5000)),
        max_size=40,
    ),
)
def test_no_more_is_taken_than_the_rate_allows(rate: int, takings: list[tuple[float, int]]) -> None:
    bucket = Bucket.full(rate, rate * 2, 0.0)
    now, latest, taken, largest = 0.0, 0.0, 0, 0
    for passed, units in takings:
        now += passed
        latest = max(latest, now)
        if bucket.wait(now) == 0:
            bucket.take(units, now)
            taken, largest = taken + units, max(largest, units)
        assert taken <= rate * latest + rate * 2 + largest + 1e-6


@given(units=st.integers(min_value=1, max_value=10_000))
def test_whoever_waits_as_long_as_told_is_let_in(units: int) -> None:
    bucket = Bucket.full(10, 50, 0.0)
    told = bucket.take(units, 0.0)
    assert told == bucket.wait(0.0)
    if told > 0.01:
        assert bucket.wait(told - 0.005) > 0
    assert bucket.wait(told + 1e-6) == 0


def test_a_call_over_the_rate_is_told_when_to_come_again() -> None:
    clock = Clock()
    tenant_limits = TenantLimits(clock)
    who = caller(calls_per_second=10)
    for _ in range(3):
        tenant_limits.admit(who, "search")
    with pytest.raises(ServiceError) as raised:
        tenant_limits.admit(who, "read")
    error = raised.value
    assert (error.reason, error.metadata["quota"]) == ("QUOTA_EXCEEDED", "calls_per_second")
    assert error.retry_after_seconds is not None
    assert {detail.type_url.rpartition(".")[2] for detail in to_status(error).details} == {
        *("ErrorInfo", "QuotaFailure", "RetryInfo")
    }
    clock.now += error.retry_after_seconds
    tenant_limits.admit(who, "read")


def test_one_tenants_calls_are_not_anothers_and_reports_are_not_calls() -> None:
    tenant_limits = TenantLimits(Clock())
    loud = caller("loud", calls_per_second=1, updates_per_second=10)
    tenant_limits.admit(loud, "search")
    with pytest.raises(ServiceError):
        tenant_limits.admit(loud, "search")
    tenant_limits.admit(caller("calm"), "search")
    tenant_limits.admit(loud, "report")
    tenant_limits.report(loud, "updates_per_second", 5)
    assert tenant_limits.usage(loud)["refused"] == 1
    assert tenant_limits.usage(caller("calm"))["refused"] == 0


@pytest.mark.parametrize("quota", ["updates_per_second", "log_bytes_per_second"])
def test_reports_over_the_rate_are_refused_until_they_fit(quota: Quota) -> None:
    clock = Clock()
    tenant_limits = TenantLimits(clock)
    who = caller(updates_per_second=100, log_bytes_per_second=100)
    tenant_limits.report(who, quota, 2000)
    with pytest.raises(ServiceError) as raised:
        tenant_limits.report(who, quota, 1)
    assert raised.value.retry_after_seconds is not None
    clock.now += raised.value.retry_after_seconds
    tenant_limits.report(who, quota, 1)


def test_a_stream_is_slowed_down_by_as_much_as_it_is_over() -> None:
    clock = Clock()
    tenant_limits = TenantLimits(clock)
    who = caller(updates_per_second=100)
    assert tenant_limits.pace(who, 100) == 0
    assert tenant_limits.pace(who, 50) == pytest.approx(0.5)
    clock.now += 0.5
    assert tenant_limits.pace(who, 0) == 0


@pytest.mark.parametrize("quota", ["open_streams", "open_watches"])
def test_a_tenant_opens_so_many_streams_and_no_more(quota: StreamQuota) -> None:
    tenant_limits = TenantLimits(Clock())
    who = caller(**{quota: 2})
    told = quota.removeprefix("open_")
    with tenant_limits.stream(who, quota), tenant_limits.stream(who, quota):
        with pytest.raises(ServiceError) as raised, tenant_limits.stream(who, quota):
            pass
        assert raised.value.metadata["quota"] == quota
        with tenant_limits.stream(caller("other", **{quota: 2}), quota):
            assert tenant_limits.usage(who)[told] == 2
    assert tenant_limits.usage(who)[told] == 0
    assert not tenant_limits._use(who).streams


def test_watches_take_nothing_of_producers_nor_one_principal_all_of_them() -> None:
    tenant_limits = TenantLimits(Clock())
    who = caller(open_streams=1)
    with ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(tenant_limits.stream(who, "open_watches"))
        with pytest.raises(ServiceError) as raised, tenant_limits.stream(who, "open_watches"):
            pass
        assert raised.value.metadata == {"quota": "open_watches", "limit": "20"}
        another = replace(who, principal="users/eve@example.org")
        for one in (replace(another, principal=f"users/{number}") for number in range(80)):
            stack.enter_context(tenant_limits.stream(one, "open_watches"))
        with pytest.raises(ServiceError) as raised, tenant_limits.stream(another, "open_watches"):
            pass
        assert raised.value.metadata == {"quota": "open_watches", "limit": "100"}
        stack.enter_context(tenant_limits.stream(who, "open_streams"))


def test_new_limits_hold_at_once() -> None:
    clock = Clock()
    tenant_limits = TenantLimits(clock)
    tenant_limits.pace(caller(updates_per_second=1000), 2000)
    assert tenant_limits.pace(caller(updates_per_second=10), 0) == pytest.approx(100)
    assert tenant_limits.pace(caller(updates_per_second=1000), 0) == pytest.approx(1)


def test_who_is_idle_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_TENANTS", 10)
    clock = Clock()
    tenant_limits = TenantLimits(clock)
    for number in range(50):
        tenant_limits.admit(caller(f"t{number}"), "read")
        clock.now += 100
    assert len(tenant_limits._uses) <= 11


def test_without_identity_nothing_is_counted_or_refused() -> None:
    tenant_limits = TenantLimits(Clock())
    for _ in range(1000):
        tenant_limits.admit(LOCAL_CALLER, "search")
        tenant_limits.report(LOCAL_CALLER, "updates_per_second", 1_000_000)
        assert tenant_limits.pace(LOCAL_CALLER, 1_000_000) == 0
        with tenant_limits.stream(LOCAL_CALLER, "open_watches"):
            pass
    assert tenant_limits._uses == {}


async def test_what_a_tenant_uses_is_told_with_its_limits(place: Place) -> None:
    await place.run(place.owner)
    answer = await place.call(place.owner, "AccessService/GetUsage")
    used = {item.quota: item.used for item in answer.usage}
    assert used["updates"] == 1
    assert used["calls"] >= 2
    assert answer.quotas.updates_per_second == 20_000
    await place.call(
        place.owner,
        "TenantService/SetTenantQuotas",
        name="tenants/main",
        quotas={"updates_per_second": 7},
    )
    again = await place.call(place.owner, "AccessService/GetUsage")
    assert again.quotas.updates_per_second == 7
