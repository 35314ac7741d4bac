"""The objects that the chart renders: safe, reachable, and started as the commands want it."""

from __future__ import annotations

import re
from typing import Any

import click
import kubernetes_validate
import pytest
from towpath.cli._main import cli

from tests.cluster.server import ROLE
from tests.k8s.rendering import VALUES, Object, containers_of, rendered
from tests.k8s.tools import run

VERSIONS = ("1.29", "1.33", "1.37")
OTHERS = {"ServiceMonitor", "HTTPRoute", "GRPCRoute"}
"""Kinds of which Kubernetes itself has no schema."""
SECRET_NAMES = re.compile(r"DATABASE|KEY|PASSWORD|SECRET|TOKEN|HEADERS")

each_values = pytest.mark.parametrize("values", VALUES)


def test_there_are_values_for_each_way_of_installing() -> None:
    assert VALUES.keys() == {"minimal", "full", "gateway", "open", "jobs"}


@each_values
def test_the_chart_passes_helms_own_checks(values: str) -> None:
    ended = run("helm", "lint", "--strict", "k8s/chart/towpath", "--values", VALUES[values])
    assert ended.returncode == 0, ended.stdout


@pytest.mark.parametrize("version", VERSIONS)
@each_values
def test_each_object_fits_its_schema(values: str, version: str) -> None:
    for each in rendered(values).objects:
        if each["kind"] not in OTHERS:
            kubernetes_validate.validate(each, version, strict=True)


@each_values
def test_each_pod_fits_the_restricted_standard(values: str) -> None:
    for name, pod in rendered(values).pods():
        spec, context = pod["spec"], pod["spec"]["securityContext"]
        uses_the_api = (values, name) == ("jobs", "Deployment/towpath-worker")
        assert spec["automountServiceAccountToken"] is uses_the_api, name
        assert spec["enableServiceLinks"] is False, name
        assert context["runAsNonRoot"] is True, name
        assert context["runAsUser"] == context["fsGroup"] == 10001, name
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not spec.keys() & {"hostNetwork", "hostPID", "hostIPC"}, name
        for volume in spec.get("volumes", []):
            assert volume.keys() - {"name"} <= {"secret", "emptyDir"}, name


@each_values
def test_each_container_has_no_rights_and_a_limit(values: str) -> None:
    for name, container in rendered(values).containers():
        context, resources = container["securityContext"], container["resources"]
        assert context["allowPrivilegeEscalation"] is False, name
        assert context["privileged"] is False, name
        assert context["readOnlyRootFilesystem"] is True, name
        assert context["capabilities"] == {"drop": ["ALL"]}, name
        assert resources["limits"]["memory"], name
        assert resources["requests"].keys() == {"cpu", "memory"}, name


@each_values
def test_no_secret_is_made_and_none_is_written_down(values: str) -> None:
    assert not rendered(values).of("Secret")
    assert not rendered(values).of("ConfigMap")
    for name, container in rendered(values).containers():
        for variable in container.get("env", []):
            if SECRET_NAMES.search(variable["name"]) and not variable["name"].endswith("_FILE"):
                assert "secretKeyRef" in variable["valueFrom"], (name, variable["name"])


@each_values
def test_volumes_and_mounts_belong_together(values: str) -> None:
    for name, pod in rendered(values).pods():
        volumes = {each["name"]: each for each in pod["spec"].get("volumes", [])}
        mounted: set[str] = set()
        for container in containers_of(pod):
            mounts = {each["mountPath"]: each for each in container.get("volumeMounts", [])}
            mounted |= {each["name"] for each in mounts.values()}
            for mount in mounts.values():
                assert mount.get("readOnly", False) == ("secret" in volumes[mount["name"]]), name
            for path in files_of(container):
                assert any(path.startswith(f"{each}/") for each in mounts), (name, path)
            if home := environment(container).get("TOWPATH_HOME"):
                # The root of a container is read-only.
                assert {home, "/tmp"} <= mounts.keys(), name
        assert mounted == volumes.keys(), name


def environment(container: Object) -> dict[str, str]:
    return {each["name"]: each.get("value", "") for each in container.get("env", [])}


def files_of(container: Object) -> list[str]:
    """Files below /etc that arguments and variables name."""
    words = [*container.get("args", []), *environment(container).values()]
    return [word.split("=")[-1] for word in words if "/etc/towpath/" in word]


@each_values
def test_the_commands_take_the_arguments(values: str) -> None:
    for name, container in rendered(values).containers():
        if "command" not in container:
            assert parsed(container["args"]) is not None, name


def parsed(words: list[str]) -> dict[str, Any]:
    """What the command gets that some words call; fails if it wouldn't take them."""
    command: click.Command = cli
    while isinstance(command, click.Group):
        found = command.get_command(click.Context(command), words[0])
        assert found is not None, words
        command, words = found, words[1:]
    with command.make_context(command.name, list(words)) as context:
        return dict(context.params)


@each_values
def test_each_selector_finds_the_pods_it_is_for(values: str) -> None:
    chart = rendered(values)
    for each in chart.of("Deployment"):
        selector = each["spec"]["selector"]["matchLabels"]
        assert chart.selected(selector) == [each["spec"]["template"]]
        for rule in each["spec"]["template"]["spec"].get("topologySpreadConstraints", []):
            assert rule["labelSelector"]["matchLabels"] == selector
    for kind in ("PodDisruptionBudget", "NetworkPolicy"):
        for each in chart.of(kind):
            spec = each["spec"]
            labels = (spec.get("selector") or spec["podSelector"])["matchLabels"]
            (pod,) = chart.selected(labels)
            component = pod["metadata"]["labels"]["app.kubernetes.io/component"]
            assert each["metadata"]["name"].endswith(f"-{component}")


@each_values
def test_each_service_leads_to_a_port_of_its_pods(values: str) -> None:
    chart = rendered(values)
    for service in chart.of("Service"):
        (pod,) = chart.selected(service["spec"]["selector"])
        named = {port["name"] for each in containers_of(pod) for port in each["ports"]}
        for port in service["spec"]["ports"]:
            assert port["targetPort"] in named


@each_values
def test_each_route_leads_to_a_port_of_a_service(values: str) -> None:
    chart = rendered(values)
    ports = {
        (service["metadata"]["name"], port[key])
        for service in chart.of("Service")
        for port in service["spec"]["ports"]
        for key in ("name", "port")
    }
    for ingress in chart.of("Ingress"):
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                backend = path["backend"]["service"]
                assert (backend["name"], backend["port"]["name"]) in ports
    for route in chart.of("HTTPRoute") + chart.of("GRPCRoute"):
        for rule in route["spec"]["rules"]:
            for backend in rule.get("backendRefs", []):
                assert (backend["name"], backend["port"]) in ports


@each_values
def test_each_monitor_finds_its_port(values: str) -> None:
    chart = rendered(values)
    for monitor in chart.of("ServiceMonitor"):
        labels = monitor["spec"]["selector"]["matchLabels"]
        found = [
            port["name"]
            for service in chart.of("Service")
            if labels.items() <= service["metadata"]["labels"].items()
            for port in service["spec"]["ports"]
        ]
        for endpoint in monitor["spec"]["endpoints"]:
            # By two Services, a pod would be scraped twice.
            assert found.count(endpoint["port"]) == 1


@each_values
def test_names_are_of_one_namespace_and_unique(values: str) -> None:
    names = [(each["kind"], each["metadata"]["name"]) for each in rendered(values).objects]
    assert len(set(names)) == len(names)
    assert {each["metadata"]["namespace"] for each in rendered(values).objects} == {"prod"}


def test_a_long_name_of_a_release_still_makes_names_that_fit() -> None:
    for each in rendered("full", release="a" * 53).objects:
        assert len(each["metadata"]["name"]) <= 63
        assert all(len(str(label)) <= 63 for label in each["metadata"]["labels"].values())


def test_a_second_release_selects_nothing_of_the_first() -> None:
    first, second = rendered("minimal"), rendered("minimal", release="other")
    for service in second.of("Service"):
        assert not first.selected(service["spec"]["selector"])


def test_the_role_of_a_worker_of_jobs_is_what_the_worker_asks_for() -> None:
    chart = rendered("jobs")
    (role,) = chart.of("Role")
    rights = {rule["resources"][0]: set(rule["verbs"]) for rule in role["rules"]}
    assert rights == ROLE
    assert {rule["resources"][0]: rule["apiGroups"] for rule in role["rules"]} == {
        "jobs": ["batch"],
        "pods": [""],
        "pods/log": [""],
        "secrets": [""],
    }
    (binding,) = chart.of("RoleBinding")
    (subject,) = binding["subjects"]
    (worker,) = [
        each for each in chart.of("Deployment") if each["metadata"]["name"].endswith("-worker")
    ]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert worker["spec"]["template"]["spec"]["serviceAccountName"] == subject["name"]
    assert worker["spec"]["strategy"] == {"type": "Recreate"}
    assert not rendered("full").of("Role")
