"""The Job of a lease: template, patches, and what must stay after them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from kubernetes_validate import validate
from towpath._work.folders import Job
from towpath._work.job_template import KUBERNETES
from towpath._work.kinds.kubernetes.kind import KubernetesKind
from towpath._work.kinds.kubernetes.manifest import (
    JobLimits,
    files_of,
    job_of,
    lost_fields,
    secret_of,
)
from towpath._work.kinds.kubernetes.names import label_value, worker_labels
from towpath._work.kinds.kubernetes.patching import PatchError, overlaid, patched

from tests.unit.sdk.work.kubernetes.conftest import lease_of

pytestmark = pytest.mark.subject("work")

FULL = {
    "env": {"A": "b"},
    "image_pull_policy": "Always",
    "image_pull_secrets": ["registry"],
    "python": "python3",
    "working_directory": "/app",
    "requests": {"cpu": 1, "memory": "1Gi"},
    "limits": {"memory": "2Gi"},
    "service_account": "flows",
    "node_selector": {"pool": "gpu"},
    "tolerations": [{"key": "gpu", "operator": "Exists"}],
    "affinity": {"podAntiAffinity": {}},
    "priority_class": "high",
    "labels": {"team": "data"},
    "annotations": {"note": "x"},
}


def made(*, template: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    return job_of(
        lease_of(template=template or {}, **options),
        namespace="runs",
        labels=worker_labels("default", "k", "w"),
        environment={"TOWPATH_RUN_ID": "r", "A": "b"},
    )


def pod(job: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = job["spec"]["template"]["spec"]
    return spec


@pytest.mark.parametrize("version", ["1.29", "1.33", "1.37"])
def test_the_job_and_its_secret_fit_the_schemas(version: str) -> None:
    job = made(template=FULL, timeout_seconds=60.0)
    validate(job, version, strict=True)
    kept = {**job, "metadata": {**job["metadata"], "uid": "u"}}
    validate(secret_of(lease_of(token="t"), kept, {"job.json": "{}"}), version, strict=True)


def test_each_variable_has_its_place() -> None:
    job = made(template=FULL, timeout_seconds=60.0)
    container = pod(job)["containers"][0]
    assert container["resources"] == {
        "requests": {"cpu": "1", "memory": "1Gi"},
        "limits": {"memory": "2Gi"},
    }
    assert container["command"] == ["python3", "-P", "-m", "towpath._work.pod"]
    assert (container["workingDir"], container["imagePullPolicy"]) == ("/app", "Always")
    assert pod(job)["serviceAccountName"] == "flows"
    assert pod(job)["nodeSelector"] == {"pool": "gpu"}
    assert pod(job)["imagePullSecrets"] == [{"name": "registry"}]
    assert job["metadata"]["labels"]["team"] == "data"
    # 480 to start, 60 to run, 30 of grace, 10 from SIGTERM to SIGKILL, 60 to spare.
    assert job["spec"]["activeDeadlineSeconds"] == 640
    assert pod(job)["terminationGracePeriodSeconds"] == 30


def test_nothing_restarts_and_no_token_of_the_cluster_is_mounted() -> None:
    job = made()
    assert (job["spec"]["backoffLimit"], pod(job)["restartPolicy"]) == (0, "Never")
    assert pod(job)["automountServiceAccountToken"] is False
    context = pod(job)["containers"][0]["securityContext"]
    assert (context["readOnlyRootFilesystem"], context["capabilities"]) == (True, {"drop": ["ALL"]})


def test_a_job_without_an_image_says_how_to_give_one() -> None:
    with pytest.raises(ValueError, match="towpath pool update"):
        made(template={"image": None})


def test_a_part_of_a_job_is_laid_over_it_name_by_name() -> None:
    part = {
        "spec": {
            "template": {
                "spec": {
                    "containers": [
                        {"name": "run", "volumeMounts": [{"name": "data", "mountPath": "/data"}]},
                        {"name": "proxy", "image": "proxy:1"},
                    ],
                    "volumes": [{"name": "data", "emptyDir": {}}],
                    "securityContext": {"runAsUser": 7},
                }
            }
        }
    }
    job = made(template={"job": part})
    run, proxy = pod(job)["containers"]
    assert [mount["name"] for mount in run["volumeMounts"]][-1] == "data"
    assert len(run["volumeMounts"]) == len(pod(job)["volumes"]) == 4
    assert (proxy["image"], pod(job)["securityContext"]["runAsUser"]) == ("proxy:1", 7)
    assert pod(job)["securityContext"]["runAsNonRoot"] is True


def test_patches_of_a_deployment_come_last() -> None:
    patches = [
        {"op": "add", "path": "/spec/template/spec/hostNetwork", "value": True},
        {"op": "remove", "path": "/spec/template/spec/enableServiceLinks"},
        {"op": "replace", "path": "/spec/ttlSecondsAfterFinished", "value": 5},
        {"op": "test", "path": "/metadata/name", "value": made()["metadata"]["name"]},
        {"op": "add", "path": "/metadata/annotations/a~1b", "value": "c"},
        {
            "op": "add",
            "path": "/spec/template/spec/containers/0/env/-",
            "value": {"name": "B", "value": "c"},
        },
    ]
    job = made(template={"patches": patches})
    assert pod(job)["hostNetwork"] is True
    assert "enableServiceLinks" not in pod(job)
    assert job["spec"]["ttlSecondsAfterFinished"] == 5
    assert job["metadata"]["annotations"]["a/b"] == "c"
    assert pod(job)["containers"][0]["env"][-1] == {"name": "B", "value": "c"}


@pytest.mark.parametrize(
    ("patch", "says"),
    [
        ({"op": "replace", "path": "/spec/none", "value": 1}, "nothing at the path"),
        ({"op": "remove", "path": "/spec/template/spec/volumes/9"}, "nothing at the path"),
        ({"op": "move", "path": "/spec/backoffLimit"}, "add, remove, replace or test"),
        ({"op": "add", "path": "spec", "value": 1}, "must begin with /"),
        ({"op": "add", "path": "/spec/x"}, "nothing at the path"),
        ({"op": "test", "path": "/spec/backoffLimit", "value": 6}, "it is 0"),
        ({"op": "replace", "path": "/spec/backoffLimit", "value": 6}, "must stay 0"),
        (
            {"op": "replace", "path": "/spec/template/spec/restartPolicy", "value": "OnFailure"},
            "must stay 'Never'",
        ),
        ({"op": "replace", "path": "/metadata/name", "value": "x"}, "must stay 'tp-"),
        (
            {"op": "remove", "path": "/metadata/labels/towpath.dev~1lease-id"},
            "the label towpath.dev/lease-id",
        ),
        (
            {"op": "replace", "path": "/spec/template/spec/containers/0/name", "value": "x"},
            "one container named 'run'",
        ),
        (
            {"op": "replace", "path": "/spec/template/spec/containers/0/command", "value": ["sh"]},
            "must end as",
        ),
        (
            {"op": "add", "path": "/spec/template/spec/containers/0/args", "value": ["x"]},
            "must end as",
        ),
        (
            {"op": "remove", "path": "/spec/template/spec/containers/0/env/0"},
            "TOWPATH_RUN_ID of the container",
        ),
        (
            {"op": "remove", "path": "/spec/template/spec/containers/0/volumeMounts/0"},
            "/etc/towpath/run of the container",
        ),
        (
            {"op": "remove", "path": "/spec/template/spec/containers/0/image"},
            "needs an image",
        ),
    ],
)
def test_a_patch_that_doesnt_fit_or_changes_what_must_stay_is_refused(
    patch: dict[str, Any], says: str
) -> None:
    with pytest.raises(PatchError, match=says):
        made(template={"patches": [patch]})


def test_patches_leave_their_target_as_it_is() -> None:
    target = {"a": {"b": [1]}}
    assert patched(target, [{"op": "add", "path": "/a/b/0", "value": 0}]) == {"a": {"b": [0, 1]}}
    assert overlaid(target, {"a": {"b": None, "c": [2]}}) == {"a": {"c": [2]}}
    assert target == {"a": {"b": [1]}}


def test_the_files_of_a_run_are_a_job_that_any_version_reads() -> None:
    lease = lease_of(parameters={"day": "monday"}, timeout_seconds=5.0)
    files = files_of(lease, "k/w", {"PASSWORD": "{{ secrets.db }}"}, "pem")
    written = json.loads(files["job.json"])
    written["later"] = written["process"]["later"] = written["code"]["later"] = 1
    job = Job.of(written)
    assert (job.run_id, job.parameters, job.process.timeout_seconds) == (
        lease.run_id,
        {"day": "monday"},
        5.0,
    )
    assert files["ca.crt"] == "pem"
    assert "token" not in files


def test_the_times_of_a_job_are_kept_for_the_worker_that_adopts_it() -> None:
    template = {"pod_start_seconds": 7, "image_pull_seconds": 3, "keep_seconds": 0}
    lease = lease_of(template=template, on_lost_contact="stop", lease_seconds=9.0, token="t")
    job = job_of(lease, namespace="runs", labels={}, environment={})
    limits = JobLimits(
        pod_start_seconds=7,
        image_pull_seconds=3,
        keep_seconds=0,
        contact_seconds=9.0,
        has_token=True,
    )
    assert JobLimits.of_job(job) == JobLimits.of_lease(lease) == limits
    assert JobLimits.of_job({"metadata": {}}) == JobLimits()


def test_dropped_fields_are_found_at_any_depth() -> None:
    sent = {"a": {"b": 1, "c": [{"d": 1}, {"e": 2}]}, "empty": {}}
    assert lost_fields(sent, {"a": {"c": [{"d": 1}, {}]}}) == ["/a/b", "/a/c/1/e"]


def test_what_isnt_a_label_is_replaced_by_a_digest() -> None:
    assert label_value("pool-1") == "pool-1"
    assert len(label_value("a" * 64)) == len(label_value("a/b")) == 32


def test_the_kind_has_the_schema_that_the_service_checks() -> None:
    assert KubernetesKind.template_schema is KUBERNETES
