"""What the chart renders, run as processes of this machine: over PostgreSQL, TLS and identity.

Arguments and variables are those of the containers. Paths, ports and names of Services are replaced
by this machine's, and a Secret is a folder.
"""

from __future__ import annotations

import shutil
import signal
import ssl
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final
from urllib.error import HTTPError
from urllib.request import urlopen

from tests.k8s.rendering import Object, containers_of, rendered
from tests.scenarios.certificates import Authority
from tests.scenarios.clients import Client
from tests.scenarios.commands import Following, towpath
from tests.scenarios.servers import DEADLINE_SECONDS, free_port, listens, wait_until

if TYPE_CHECKING:
    from pathlib import Path
    from subprocess import CompletedProcess

CHART: Final = rendered(
    "minimal",
    "cloud=true",
    "worker.enabled=true,worker.apiKey.existingSecret=towpath-worker",
    "worker.graceSeconds=0",
    "tls.ca.existingSecret=towpath-tls",
)


class Cluster:
    """This machine, in place of a cluster."""

    def __init__(self, folder: Path, dsn: str) -> None:
        self.folder = folder
        self.mounts = folder / "etc"
        self.ports = {name: (free_port(), free_port()) for name in ("api", "background")}
        self._secrets = {("towpath-database", "url"): dsn}
        authority = Authority(folder / "pki")
        pair = authority.sign("server")
        for name in ("keys", "tls", "ca", "worker"):
            (self.mounts / name).mkdir(parents=True)
        shutil.copy(pair.certificate, self.mounts / "tls" / "tls.crt")
        shutil.copy(pair.key, self.mounts / "tls" / "tls.key")
        shutil.copy(authority.file, self.mounts / "ca" / "ca.crt")
        key = self.mounts / "keys" / "server.key"
        key.write_text("dG93cGF0aC1rZXktb2YtMzItYnl0ZXMtaW4tYmFzZTY=", encoding="ascii")
        key.chmod(0o600)
        self.ca_file = authority.file

    def environment(self, container: Object) -> dict[str, str]:
        """The variables of a container, but for its home."""
        found: dict[str, str] = {}
        for variable in container["env"]:
            reference = variable.get("valueFrom", {}).get("secretKeyRef")
            found[variable["name"]] = (
                self._secrets[reference["name"], reference["key"]]
                if reference
                else self._here(variable["value"])
            )
        assert found.pop("TOWPATH_HOME") == "/var/lib/towpath"
        return found

    def runs(self, container: Object) -> CompletedProcess[str]:
        """Runs a container to its end."""
        return towpath(self.home("job"), *container["args"], **self.environment(container))

    def starts(self, role: str) -> Following:
        """Starts the container of a part."""
        container = container_of(role)
        words = tuple(self._here(word, role) for word in container["args"])
        return Following(self.home(role), words, settings=self.environment(container))

    def home(self, name: str) -> Path:
        """The home of a pod."""
        home = self.folder / name
        home.mkdir(exist_ok=True)
        return home

    def status(self, role: str, probe: str) -> int:
        """What a probe of a part is answered."""
        asked = container_of(role)[f"{probe}Probe"]["httpGet"]
        url = f"{asked['scheme'].lower()}://127.0.0.1:{self.ports[role][1]}{asked['path']}"
        context = ssl.create_default_context(cafile=str(self.ca_file))
        try:
            with urlopen(url, timeout=DEADLINE_SECONDS, context=context) as answer:
                return int(answer.status)
        except HTTPError as error:
            error.close()
            return error.code

    def _here(self, text: str, role: str = "api") -> str:
        port, web_port = self.ports.get(role, (0, 0))
        text = text.replace("/etc/towpath", str(self.mounts))
        text = text.replace("towpath-grpc.prod.svc:4200", f"127.0.0.1:{port}")
        text = text.replace("towpath.prod.svc:4201", f"127.0.0.1:{web_port}")
        ports = {"--port=4200": f"--port={port}", "--web-port=4201": f"--web-port={web_port}"}
        return ports.get(text, text)


def container_of(role: str) -> Object:
    (found,) = containers_of(CHART.one("Deployment", f"towpath-{role}")["spec"]["template"])
    return found


def test_the_chart_starts_a_service_that_drains_and_a_worker(tmp_path: Path, held_dsn: str) -> None:
    cluster = Cluster(tmp_path, held_dsn)
    (job,) = CHART.of("Job")
    schema, identity = containers_of(job["spec"]["template"])
    # The last one as at an upgrade, when identity is on already.
    for container in (schema, identity, identity):
        done = cluster.runs(container)
        assert done.returncode == 0, done.stderr
        assert "twpu_" not in done.stdout + done.stderr
    with ExitStack() as stack:
        service = {role: stack.enter_context(cluster.starts(role)) for role in cluster.ports}
        for role, process in service.items():
            process.sees("Ctrl-C stops", "gRPC" if role == "api" else "background")
            assert cluster.status(role, "liveness") == 200
            assert cluster.status(role, "readiness") == 200
        assert not listens(cluster.ports["background"][0])
        # As `kubectl exec` does it.
        owner = Client(tmp_path / "owner", settings_of_clients(cluster, "worker"))
        at_pod = cluster.environment(container_of("api"))
        made = towpath(cluster.home("api"), "server", "recover-owner", **at_pod)
        owner.settings["TOWPATH_API_KEY"] = made.stdout.strip()
        owner.says("pool", "create", "default")
        owner.says("service-account", "create", "worker", "--role", "worker")
        key = owner.says("key", "create", "--for", "worker")
        (cluster.mounts / "worker" / "key").write_text(key, encoding="ascii")
        worker = stack.enter_context(cluster.starts("worker"))
        wait_until(lambda: "default" in owner.says("worker", "ls"), "the worker is attached")
        worker.process.send_signal(signal.SIGTERM)
        assert worker.end() == 0, worker.lines

        for role, process in service.items():
            process.process.send_signal(signal.SIGTERM)
            wait_until(lambda role=role: cluster.status(role, "readiness") == 503, "it drains")
            assert cluster.status(role, "liveness") == 200
        # A drain takes seconds; a second signal ends the wait.
        for process in service.values():
            process.process.send_signal(signal.SIGTERM)
            assert process.end() == 0, process.lines


def settings_of_clients(cluster: Cluster, role: str) -> dict[str, str]:
    """How the worker of the chart reaches the service, without its key."""
    found = cluster.environment(container_of(role))
    del found["TOWPATH_API_KEY_FILE"]
    return found
