"""Jobs of a worker, from the lease to the end, at a fake API server."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest
from towpath._work.kinds.kubernetes.cluster import ClusterAway
from towpath._work.kinds.kubernetes.names import job_name
from towpath._work.shim import since_boot

from tests.scenarios.servers import wait_until
from tests.unit.sdk.work.kubernetes.conftest import end_of, lease_of

if TYPE_CHECKING:
    from tests.unit.sdk.work.kubernetes.conftest import Site

pytestmark = pytest.mark.subject("work")


def test_a_lease_becomes_a_job_with_a_secret_that_goes_with_it(site: Site) -> None:
    lease = lease_of(token="the-token", parameters={"day": "monday"})
    handle = site.kind().start(lease)
    job = site.job(lease)
    assert handle.place == f"job {job['metadata']['name']} in namespace runs"
    secret = site.api.store.objects["secrets", job["metadata"]["name"]]
    assert secret["metadata"]["ownerReferences"][0]["uid"] == job["metadata"]["uid"]
    files = {name: base64.b64decode(text).decode() for name, text in secret["data"].items()}
    assert files["token"] == "the-token"
    assert json.loads(files["job.json"])["parameters"] == {"day": "monday"}
    site.api.store.remove("pods", site.kubelet.pod(job_name(lease))["metadata"]["name"])
    site.api.store.remove("jobs", job_name(lease))
    assert site.names("secrets") == set()


def test_a_run_that_exits_ends_with_its_code(site: Site) -> None:
    lease = lease_of()
    handle = site.kind().start(lease)
    site.kubelet.run(job_name(lease))
    site.kubelet.end(job_name(lease))
    end = end_of(handle)
    assert (end.proof.kind, end.proof.exit_code, end.reason) == ("EXITED", 0, "")
    assert (end.proof.host, end.proof.container) == ("node-1", f"runs/{job_name(lease)}-x")


def test_a_create_whose_answer_is_lost_makes_one_job(site: Site) -> None:
    site.api.fail("create", "jobs", 0, after=True)
    site.api.fail("create", "secrets", 0, after=True)
    lease = lease_of(token="t")
    handle = site.kind().start(lease)
    assert site.api.count("create", "jobs") == 2
    assert len(site.names("jobs")) == len(site.names("secrets")) == 1
    site.kubelet.run(job_name(lease))
    site.kubelet.end(job_name(lease))
    assert end_of(handle).proof.exit_code == 0


def test_a_job_of_another_lease_is_neither_taken_nor_deleted(site: Site) -> None:
    kind = site.kind()
    lease = lease_of()
    kind.start(lease)
    other = lease_of(2)
    site.api.store.objects["jobs", job_name(other)] = site.job(lease)
    with pytest.raises(ValueError, match="another Job"):
        kind.start(other)
    assert ("jobs", job_name(other)) in site.api.store.objects


def test_a_busy_server_is_asked_again_after_the_time_that_it_wants(site: Site) -> None:
    site.api.fail("create", "jobs", 429, retry_after=0.05, times=2)
    site.api.fail("create", "jobs", 503, times=2)
    site.kind().start(lease_of())
    assert site.api.count("create", "jobs") == 5
    assert len([text for text in site.said if "busy or away" in text]) == 1


def test_a_missing_right_is_said_once_with_its_verb_and_gives_the_run_back(site: Site) -> None:
    site.api.role["jobs"].remove("create")
    kind = site.kind()
    for number in (1, 2, 3):
        with pytest.raises(ClusterAway, match="cannot create"):
            kind.start(lease_of(number))
    said = [text for text in site.said if "lacks" in text]
    assert len(said) == 1
    assert "the worker's Role in namespace runs lacks `create jobs`" in said[0]


def test_a_missing_right_to_make_secrets_leaves_no_job(site: Site) -> None:
    site.api.role["secrets"].clear()
    with pytest.raises(ClusterAway):
        site.kind().start(lease_of(token="t"))
    wait_until(lambda: not site.names("jobs"), "the Job is deleted")


def test_a_job_that_the_server_refuses_is_the_jobs_fault(site: Site) -> None:
    site.api.fail("create", "jobs", 422, reason="Invalid", message="spec.template: Invalid value")
    with pytest.raises(ValueError, match=r"spec\.template: Invalid value"):
        site.kind().start(lease_of())


def test_fields_that_an_old_server_drops_are_named(site: Site) -> None:
    site.api.drops = frozenset({"podReplacementPolicy"})
    job = {"spec": {"podReplacementPolicy": "Failed"}}
    site.kind().start(lease_of(template={"job": job}))
    site.wait_for("/podReplacementPolicy")


def test_a_stop_deletes_the_job_and_ends_on_the_containers_state(site: Site) -> None:
    lease = lease_of()
    handle = site.kind().start(lease)
    site.kubelet.run(job_name(lease))
    site.api.store.write_log(f"{job_name(lease)}-x", "nearly done")
    wait_until(lambda: b"nearly done" in handle.output().data, "the log is followed")
    handle.request_stop()
    end = end_of(handle)
    assert (end.proof.kind, end.proof.signal, end.reason) == ("KILLED", 15, "STOP_REQUESTED")
    assert handle.output().data == b"nearly done\n"


def test_a_stop_before_its_pod_began_ends_without_a_start(site: Site) -> None:
    site.kubelet.makes_pods = False
    handle = site.kind().start(lease_of())
    handle.request_stop()
    end = end_of(handle)
    assert (end.proof.kind, end.reason) == ("NEVER_STARTED", "STOP_REQUESTED")


def test_a_stop_isnt_confirmed_while_its_pod_is_there(site: Site) -> None:
    lease = lease_of()
    handle = site.kind().start(lease)
    site.kubelet.run(job_name(lease))
    site.kubelet.ends = {}
    handle.request_stop()
    wait_until(lambda: "deletionTimestamp" in site.job(lease)["metadata"], "the Job is going")
    assert handle.wait(0.05) is None
    site.kubelet.remove_pod(job_name(lease))
    assert end_of(handle).proof.kind == "CONTAINER_GONE"


def test_the_end_of_a_run_is_marked_and_not_adopted_again(site: Site) -> None:
    kind = site.kind()
    leases = [lease_of(1), lease_of(2)]
    first, second = [kind.start(lease) for lease in leases]
    for lease in leases:
        site.kubelet.run(job_name(lease))
        site.kubelet.end(job_name(lease))
    assert end_of(first).proof.exit_code == end_of(second).proof.exit_code == 0
    first.acknowledge()
    wait_until(
        lambda: "towpath.dev/acknowledged" in site.job(leases[0])["metadata"]["labels"], "marked"
    )
    [again] = site.kind().adopt()
    assert (again.lease_id, again.run_id) == (leases[1].lease_id, leases[1].run_id)
    assert end_of(again).proof.exit_code == 0


def test_a_job_that_isnt_to_be_kept_is_deleted_once_its_end_is_known(site: Site) -> None:
    lease = lease_of(template={"keep_seconds": 0})
    handle = site.kind().start(lease)
    site.kubelet.run(job_name(lease))
    site.kubelet.end(job_name(lease))
    assert end_of(handle).proof.exit_code == 0
    handle.acknowledge()
    wait_until(lambda: not site.names("jobs"), "the Job is deleted")


def test_a_worker_adopts_its_own_jobs_and_deletes_those_without_a_secret(site: Site) -> None:
    first = site.kind()
    lease, half = lease_of(1), lease_of(2)
    first.start(lease)
    first.start(half)
    site.api.store.remove("secrets", job_name(half))
    [handle] = site.kind().adopt()
    assert handle.lease_id == lease.lease_id
    wait_until(lambda: site.names("jobs") == {job_name(lease)}, "the half-made Job is deleted")
    assert site.kind("another").adopt() == []


def test_a_new_token_reaches_the_secret(site: Site) -> None:
    lease = lease_of(token="old")
    handle = site.kind().start(lease)
    handle.renew_token("new")

    def token() -> str:
        secret = site.api.store.objects["secrets", job_name(lease)]
        return base64.b64decode(secret["data"]["token"]).decode()

    wait_until(lambda: token() == "new", "the Secret has the new token")
    assert handle.token_path is not None
    assert handle.token_path.read_text() == "new"


def test_a_run_without_contact_is_stopped_when_it_asks_for_that(site: Site) -> None:
    lease = lease_of(on_lost_contact="stop", lease_seconds=600.0)
    handle = site.kind().start(lease)
    site.kubelet.run(job_name(lease))
    handle.note_contact(since_boot() - 601)
    assert end_of(handle).reason == "LOST_CONTACT"


def test_a_server_that_is_away_ends_no_run(site: Site) -> None:
    lease = lease_of()
    handle = site.kind().start(lease)
    site.kubelet.run(job_name(lease))
    wait_until(lambda: site.api.watches == 2, "both watches are open")
    for verb, resource in (("watch", "jobs"), ("watch", "pods")):
        site.api.fail(verb, resource, 500, times=5)
    site.api.cut_watches()
    wait_until(lambda: not site.api.faults, "the server is back")
    site.kubelet.end(job_name(lease), 1, message="")
    assert end_of(handle).proof.container.endswith("-x")
