"""Restarts of worker and API server while 50 Jobs run: none is lost, and none is doubled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from towpath._work.kinds.kubernetes.names import job_name

from tests.scenarios.servers import wait_until
from tests.unit.sdk.work.kubernetes.conftest import end_of, lease_of

if TYPE_CHECKING:
    from tests.unit.sdk.work.kubernetes.conftest import Site

pytestmark = pytest.mark.subject("work")

COUNT = 50


def test_each_of_many_jobs_is_made_once_and_ends_once(site: Site) -> None:
    leases = [lease_of(number, token="t") for number in range(COUNT)]
    ends: dict[str, list[int | None]] = {lease.lease_id: [] for lease in leases}
    made: set[str] = set()

    with site.made() as first:
        for number, lease in enumerate(leases):
            if number % 10 == 0:
                site.api.fail("create", "jobs", 0, after=True)
                site.api.fail("create", "secrets", 503)
                site.api.cut_watches()
            first.start(lease)
            site.kubelet.run(job_name(lease))
        made |= {item["metadata"]["uid"] for item in site.api.store.of("jobs")}
        for lease in leases[:10]:
            site.kubelet.end(job_name(lease))

    # While nobody looks, some end, some are evicted, and the API server forgets its past.
    for lease in leases[10:20]:
        site.kubelet.end(job_name(lease), 7)
    for lease in leases[20:25]:
        site.kubelet.set(job_name(lease), {}, phase="Failed", reason="Evicted")
    site.api.store.compact()

    with site.made() as second:
        handles = {handle.lease_id: handle for handle in second.adopt()}
        assert handles.keys() == ends.keys()
        for handle in handles.values():
            handle.add_done_callback(
                lambda end, at=handle.lease_id: ends[at].append(end.proof.exit_code)
            )
        for verb, resource in (("watch", "pods"), ("watch", "jobs")):
            site.api.fail(verb, resource, 503, times=3)
        site.api.cut_watches()
        for lease in leases[25:]:
            site.kubelet.end(job_name(lease))
        reasons = {end_of(handle).reason for handle in handles.values()}
        assert reasons == {"", "EVICTED", "START_FAILED"}
        for handle in handles.values():
            handle.acknowledge()
        wait_until(lambda: site.api.count("patch", "jobs") == COUNT, "all are acknowledged")

    assert {item["metadata"]["uid"] for item in site.api.store.of("jobs")} == made
    assert len(made) == COUNT
    assert all(len(codes) == 1 for codes in ends.values())
    with site.made() as third:
        assert third.adopt() == []
