"""How the chart runs the service: roles, probes, the end of a pod, identity, upgrades, workers."""

from __future__ import annotations

import pytest

from tests.k8s.rendering import VALUES, Object, containers_of, rendered, template
from tests.k8s.test_objects import environment, parsed
from tests.k8s.tools import run

each_values = pytest.mark.parametrize("values", VALUES)
ROLES = ("api", "background")


def deployment(values: str, role: str, *settings: str) -> Object:
    name = "trial" if values == "open" else "towpath"
    return rendered(values, *settings).one("Deployment", f"{name}-{role}")


def container(values: str, role: str, *settings: str) -> Object:
    (found,) = containers_of(deployment(values, role, *settings)["spec"]["template"])
    return found


@each_values
def test_the_parts_of_the_service_are_deployed_apart(values: str) -> None:
    for role in ROLES:
        assert parsed(container(values, role)["args"])["role"] == role
    assert [port["name"] for port in container(values, "api")["ports"]] == ["grpc", "web"]
    assert [port["name"] for port in container(values, "background")["ports"]] == ["web"]


@each_values
def test_a_pod_is_alive_by_itself_and_ready_for_calls(values: str) -> None:
    for role in ROLES:
        probed = container(values, role)
        scheme = "HTTPS" if parsed(probed["args"])["tls_cert"] else "HTTP"
        for probe, path in (
            ("startup", "/livez"),
            ("liveness", "/livez"),
            ("readiness", "/healthz"),
        ):
            asked = probed[f"{probe}Probe"]["httpGet"]
            assert asked == {"path": path, "port": "web", "scheme": scheme}


@each_values
def test_a_pod_has_time_to_drain_before_it_is_killed(values: str) -> None:
    for role in ROLES:
        wait = parsed(container(values, role)["args"])["drain_wait"]
        readiness = container(values, role)["readinessProbe"]
        assert wait > readiness["periodSeconds"] * readiness["failureThreshold"]
        pod = deployment(values, role)["spec"]["template"]["spec"]
        # Then pending calls get 5 seconds, and the last commits their time.
        assert pod["terminationGracePeriodSeconds"] >= wait + 20


@each_values
def test_an_upgrade_takes_no_pod_away_before_another_is_ready(values: str) -> None:
    for role in ROLES:
        rolling = deployment(values, role)["spec"]["strategy"]["rollingUpdate"]
        assert rolling == {"maxUnavailable": 0, "maxSurge": 1}


def test_a_budget_never_blocks_the_drain_of_a_node() -> None:
    for budget in rendered("minimal").of("PodDisruptionBudget"):
        assert budget["spec"]["maxUnavailable"] == 1
        assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    assert rendered("full").one("PodDisruptionBudget", "towpath-api")["spec"]["maxUnavailable"] == (
        "25%"
    )


def test_the_number_of_pods_is_the_autoscalers_where_there_is_one() -> None:
    assert "replicas" not in deployment("full", "api")["spec"]
    (scaler,) = rendered("full").of("HorizontalPodAutoscaler")
    assert scaler["spec"]["scaleTargetRef"]["name"] == "towpath-api"
    assert (scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"]) == (3, 12)
    assert deployment("minimal", "api")["spec"]["replicas"] == 2
    assert not rendered("minimal").of("HorizontalPodAutoscaler")


def test_identity_and_tls_are_on_unless_they_are_switched_off() -> None:
    for role in ROLES:
        given = parsed(container("minimal", role)["args"])
        assert (given["insecure"], given["behind_tls_proxy"]) == (False, False)
        assert str(given["tls_cert"]) == "/etc/towpath/tls/tls.crt"
        assert str(given["tls_key"]) == "/etc/towpath/tls/tls.key"
        assert parsed(container("gateway", role)["args"])["behind_tls_proxy"]
        assert parsed(container("open", role)["args"])["insecure"]
    assert "auth" not in "".join(container("minimal", "api")["args"])


def test_the_database_is_upgraded_and_identity_is_on_before_a_pod_starts() -> None:
    (job,) = rendered("minimal").of("Job")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    pod = job["spec"]["template"]["spec"]
    schema, identity = containers_of({"spec": pod})
    assert schema["args"] == ["server", "db", "upgrade"]
    # Logs are kept: a key must not get into one.
    assert identity["args"] == ["server", "init-auth", "--no-key", "--owner=owner@localhost"]
    for each in (schema, identity):
        assert each["image"] == container("minimal", "api")["image"]
        assert environment(each) == environment(container("minimal", "api"))
    # What the chart makes isn't there yet when the hook runs.
    assert pod["serviceAccountName"] == "default"


def test_without_identity_the_job_only_upgrades_the_database() -> None:
    (job,) = rendered("open", "migration.enabled=true").of("Job")
    (schema,) = containers_of(job["spec"]["template"])
    assert schema["args"] == ["server", "db", "upgrade"]


def test_the_key_is_a_file_whose_name_can_change_for_a_rotation() -> None:
    assert environment(container("minimal", "api"))["TOWPATH_SERVER_KEY_FILE"] == (
        "/etc/towpath/keys/server.key"
    )
    assert environment(container("full", "api"))["TOWPATH_SERVER_KEY_FILE"] == (
        "/etc/towpath/keys/second.key"
    )
    volumes = deployment("full", "api")["spec"]["template"]["spec"]["volumes"]
    (keys,) = [each["secret"] for each in volumes if each["name"] == "keys"]
    # The whole Secret, so that the old key and the new one are there at once.
    assert keys == {"secretName": "towpath-keys", "defaultMode": 0o440}


def test_clients_find_pods_by_a_headless_service() -> None:
    for values, protocol in (("minimal", None), ("gateway", "kubernetes.io/h2c")):
        service = rendered(values).one("Service", "towpath-grpc")
        assert service["spec"]["clusterIP"] == "None"
        (port,) = service["spec"]["ports"]
        assert port.get("appProtocol") == protocol


def test_policies_admit_who_is_named_to_the_ports_and_nobody_else() -> None:
    api = rendered("full").one("NetworkPolicy", "towpath-api")["spec"]
    (rule,) = api["ingress"]
    assert [port["port"] for port in rule["ports"]] == ["grpc", "web"]
    components = [
        peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"]
        for peer in rule["from"]
        if "podSelector" in peer
    ]
    assert components == ["worker", "test"]
    assert len(rule["from"]) == 4
    assert api["policyTypes"] == ["Ingress", "Egress"]
    background = rendered("full").one("NetworkPolicy", "towpath-background")["spec"]
    assert [port["port"] for port in background["ingress"][0]["ports"]] == ["web"]
    assert rendered("full").one("NetworkPolicy", "towpath-worker")["spec"]["ingress"] == []
    assert rendered("minimal").one("NetworkPolicy", "towpath-background")["spec"]["ingress"] == []
    assert (
        "from" not in rendered("minimal").one("NetworkPolicy", "towpath-api")["spec"]["ingress"][0]
    )
    assert not rendered("open").of("NetworkPolicy")


def test_telemetry_names_the_pod_that_it_comes_from() -> None:
    for role in (*ROLES, "worker"):
        found = environment(container("full", role))
        assert found["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://collector.monitoring.svc:4317"
        assert found["OTEL_SERVICE_NAME"] == f"towpath-{role}"
        assert "k8s.pod.name=$(POD_NAME)" in found["OTEL_RESOURCE_ATTRIBUTES"]
        # A variable can refer only to those before it.
        assert list(found).index("POD_NAME") < list(found).index("OTEL_RESOURCE_ATTRIBUTES")
        assert not any(name.startswith("OTEL") for name in environment(container("gateway", role)))


def test_a_worker_is_there_only_when_it_is_asked_for() -> None:
    names = [each["metadata"]["name"] for each in rendered("minimal").of("Deployment")]
    assert names == ["towpath-api", "towpath-background"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (
            "full",
            {
                "TOWPATH_SERVER_ADDRESS": "towpath-grpc.prod.svc:4200",
                "TOWPATH_SERVER_WEB_ADDRESS": "https://towpath.prod.svc:4201",
                "TOWPATH_SERVER_TLS": "on",
                "TOWPATH_SERVER_CA_FILE": "/etc/towpath/ca/ca.crt",
                "TOWPATH_API_KEY_FILE": "/etc/towpath/worker/key",
            },
        ),
        (
            "gateway",
            {
                "TOWPATH_SERVER_ADDRESS": "grpc.towpath.example.com:443",
                "TOWPATH_SERVER_TLS": "on",
                "TOWPATH_API_KEY_FILE": "/etc/towpath/worker/key",
            },
        ),
        (
            "open",
            {
                "TOWPATH_SERVER_ADDRESS": "trial-grpc.prod.svc:4200",
                "TOWPATH_SERVER_WEB_ADDRESS": "http://trial.prod.svc:4201",
                "TOWPATH_SERVER_TLS": "off",
            },
        ),
    ],
)
def test_a_worker_knows_its_server_and_holds_no_key_of_the_service(
    values: str, expected: dict[str, str]
) -> None:
    found = environment(container(values, "worker"))
    assert {name: text for name, text in found.items() if name.startswith("TOWPATH_")} == (
        expected | {"TOWPATH_HOME": "/var/lib/towpath"}
    )
    pod = deployment(values, "worker")["spec"]["template"]["spec"]
    secrets = [each["secret"] for each in pod["volumes"] if "secret" in each]
    assert all(each["secretName"] != "towpath-keys" for each in secrets)
    # Of the Secret of a certificate, the private key stays out.
    for each in secrets:
        assert len(each["items"]) == 1


def test_a_worker_has_the_image_of_the_flows() -> None:
    assert container("full", "worker")["image"] == "registry.example.com/flows:7"
    assert container("gateway", "worker")["image"] == container("gateway", "api")["image"]
    assert container("full", "api")["image"].startswith("registry.example.com/towpath@sha256:")


def test_notes_say_how_to_make_the_first_key() -> None:
    dry = ("--namespace", "prod", "--dry-run=client")
    shown = run(
        "helm", "install", "towpath", "k8s/chart/towpath", *dry, "--values", VALUES["minimal"]
    )
    assert shown.returncode == 0, shown.stderr
    _, _, notes = shown.stdout.partition("NOTES:")
    (line,) = [each for each in notes.splitlines() if "recover-owner" in each]
    assert parsed(line.split("-- towpath ")[1].split()) is not None
    assert "deployment/towpath-api" in line


def test_the_chart_refuses_a_kubernetes_that_is_too_old() -> None:
    assert template("minimal").returncode == 0
    old = run(
        "helm",
        *("template", "towpath", "k8s/chart/towpath", "--kube-version", "1.28"),
        *("--values", VALUES["minimal"]),
    )
    assert "incompatible with Kubernetes" in old.stderr
