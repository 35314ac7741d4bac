"""A service in memory, that deployments are deployed to."""

from __future__ import annotations

from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
from towpath.client import Client
from towpath_service.embedded import open_embedded

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

CONNECTING = ("deploying", "running", "serving")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    transport = open_embedded(tmp_path_factory.mktemp("home"), in_memory=True)
    yield Client(transport)
    transport.close()


@pytest.fixture
def client(service: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    """A client of a service without deployments and with the pool "local", which all code uses."""
    for deployment in list(service.deployments.list()):
        service.deployments.delete(deployment.name)
    if "local" not in {pool.id for pool in service.pools.list()}:
        service.pools.create("local")

    @contextmanager
    def connect(*_: Any, **__: Any) -> Generator[Client]:
        yield service

    for name in CONNECTING:
        monkeypatch.setattr(import_module(f"towpath._deploy.{name}"), "connect", connect)
    commands = {
        "deploy": "service_client",
        "create_schedule": "service_client",
        "run_deployment": "connected",
    }
    for name, opener in commands.items():
        monkeypatch.setattr(import_module(f"towpath.cli.work.{name}"), opener, connect)
    monkeypatch.setenv("TOWPATH_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return service
