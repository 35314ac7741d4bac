"""A kubelet that runs the containers of Jobs, as processes of this machine."""

from __future__ import annotations

import base64
import os
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.cluster.kubelet import Kubelet

if TYPE_CHECKING:
    from tests.cluster.store import Object


@dataclass
class ProcessKubelet(Kubelet):
    """Runs each pod that is made, and ends it as a real kubelet does."""

    folder: Path = field(default_factory=Path)
    image: Path = field(default_factory=Path)
    """What is in the working directory of the image."""
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    threads: list[threading.Thread] = field(default_factory=list)
    reasons: dict[int, str] = field(default_factory=lambda: {0: "Completed"})
    """Reasons of containers by exit code; "Error" for others."""
    going_jobs: set[str] = field(default_factory=set)

    def _created(self, resource: str, item: Object) -> None:
        super()._created(resource, item)
        if resource != "jobs":
            return
        name = item["metadata"]["name"]
        thread = threading.Thread(target=self._execute, args=(name,), daemon=True)
        self.threads.append(thread)
        thread.start()

    def going(self, job: Object) -> None:
        name = job["metadata"]["name"]
        self.going_jobs.add(name)
        process = self.processes.get(name)
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGTERM)
        elif process is None:
            for pod in list(self.store.pods_of(name)):
                self.store.remove("pods", pod["metadata"]["name"])

    def close(self) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
        for thread in self.threads:
            thread.join(30)

    def _execute(self, job: str) -> None:
        secret = self._secret(job)
        if secret is None:
            return
        pod = self.pod(job)
        root = self.folder / job
        container = pod["spec"]["containers"][0]
        mounts = self._mounts(root, secret, container)
        python, *arguments = container["command"]
        assert python == "python"
        command = [sys.executable, *arguments]
        variables = {each["name"]: each["value"] for each in container["env"]}
        for name, value in variables.items():
            for path, place in mounts.items():
                if value.startswith(path):
                    variables[name] = value.replace(path, str(place), 1)
        process = subprocess.Popen(
            command,
            cwd=self.image,
            env={"PATH": os.environ["PATH"], **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.processes[job] = process
        self.run(job)
        if job in self.going_jobs:
            process.send_signal(signal.SIGTERM)
        self._follow(job, process, mounts)

    def _follow(self, job: str, process: subprocess.Popen[bytes], mounts: dict[str, Path]) -> None:
        assert process.stdout is not None
        for line in iter(process.stdout.readline, b""):
            self.store.write_log(self.pod(job)["metadata"]["name"], line.decode().rstrip("\n"))
        process.stdout.close()
        code = process.wait()
        code = code if code >= 0 else 128 - code
        note = mounts["/dev/termination-log"]
        said = note.read_text() if note.exists() else ""
        self.end(job, code, self.reasons.get(code, "Error"), said)
        if job in self.going_jobs:
            self.remove_pod(job)

    def _mounts(self, root: Path, secret: Object, container: Object) -> dict[str, Path]:
        """Folders and files in the place of the container's."""
        places: dict[str, Path] = {}
        for mount in container["volumeMounts"]:
            place = root / mount["name"]
            place.mkdir(parents=True)
            places[mount["mountPath"]] = place
        for name, data in secret["data"].items():
            (places["/etc/towpath/run"] / name).write_bytes(base64.b64decode(data))
        return {**places, "/dev/termination-log": root / "termination-log"}

    def _secret(self, job: str) -> Object | None:
        """The Secret of a Job, once it is there; None when the Job goes before."""
        while job not in self.going_jobs:
            with self.store.lock:
                secret = self.store.objects.get(("secrets", job))
            if secret is not None:
                return secret
            threading.Event().wait(0.002)
        return None

    def clean_up(self) -> None:
        """Removes what the containers have left."""
        shutil.rmtree(self.folder, ignore_errors=True)
