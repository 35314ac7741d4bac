"""The environment of a run: what of the worker's it gets, and what is stronger."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from towpath._settings.declared import Settings
from towpath._settings.other_variables import RUN_VARIABLES
from towpath._work.environment import environment_of, inherited
from towpath._work.leases import Lease

SETTINGS = Settings(
    home=Path("/home/towpath"), server_address="server:4200", workspace="etl", api_key="twpu_x"
)


def variables(
    *layers: dict[str, str], worker: dict[str, str] | None = None, **options: Any
) -> tuple[dict[str, str], dict[str, str]]:
    lease = Lease(
        lease_id="l",
        run_id="r",
        attempt=2,
        fence=7,
        entrypoint="m:f",
        environments=layers,
        due=1_796_000_000.5,
    )
    return environment_of(lease, SETTINGS, worker or {}, token_path=None, **options)


def test_a_run_inherits_what_is_listed_and_nothing_else():
    worker = {
        "PATH": "/bin",
        "HOME": "/root",
        "LC_TIME": "C",
        "https_proxy": "p",
        "SSL_CERT_FILE": "c",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317",
        "OTEL_SERVICE_NAME": "worker",
        "TOWPATH_API_KEY": "twpu_secret",
        "TOWPATH_PROFILE": "p",
        "AWS_SECRET_ACCESS_KEY": "s",
        "PYTHONPATH": "/tmp",
        "LD_PRELOAD": "x.so",
    }
    plain = {"PATH", "HOME", "LC_TIME", "https_proxy", "SSL_CERT_FILE"}
    assert set(inherited(worker)) == {*plain, "OTEL_EXPORTER_OTLP_ENDPOINT"}


def test_pool_deployment_and_run_replace_one_another_in_that_order():
    plain, secret = variables(
        {"A": "pool", "B": "pool", "C": "pool", "PATH": "/pool"},
        {"B": "deployment", "C": "deployment"},
        {"C": "run"},
        worker={"PATH": "/bin", "TZ": "UTC"},
    )
    chosen = {name: plain[name] for name in ("A", "B", "C", "PATH", "TZ", "PYTHONUNBUFFERED")}
    assert chosen == {
        "A": "pool",
        "B": "deployment",
        "C": "run",
        "PATH": "/pool",
        "TZ": "UTC",
        "PYTHONUNBUFFERED": "1",
    }
    assert secret == {}


def test_towpaths_own_variables_are_the_strongest():
    plain, secret = variables({"TOWPATH_RUN_ID": "x", "TOWPATH_WORKSPACE": "{{ secrets.w }}"})
    own = {name: value for name, value in plain.items() if name.startswith("TOWPATH_")}
    assert own == {
        "TOWPATH_DISPLAY": "quiet",
        "TOWPATH_HOME": "/home/towpath",
        "TOWPATH_SERVER_ADDRESS": "server:4200",
        "TOWPATH_SERVER_TLS": "auto",
        "TOWPATH_WORKSPACE": "etl",
        "TOWPATH_WORK_LEASE_ID": "l",
        "TOWPATH_RUN_ID": "r",
        "TOWPATH_RUN_ATTEMPT": "2",
        "TOWPATH_RUN_FENCE": "7",
        "TOWPATH_RUN_DUE": "1796000000.5",
    }
    assert secret == {}
    assert set(own) > RUN_VARIABLES


def test_variables_that_name_values_are_left_to_the_run():
    naming = {"DB": "pg://me:{{ secrets.db }}@h", "N": "{{ prefect.variables.n_a }}"}
    plain, left = variables({**naming, "MODE": "fast"})
    assert left == naming
    assert plain["MODE"] == "fast"
    assert "DB" not in plain


def test_a_run_finds_its_token_and_its_trace():
    lease = Lease(
        lease_id="l", run_id="r", attempt=1, fence=1, entrypoint="m:f", traceparent="00-1-2-01"
    )
    plain, _ = environment_of(lease, SETTINGS, {}, token_path=Path("/home/towpath/work/l/token"))
    assert plain["TOWPATH_RUN_TOKEN_FILE"] == "/home/towpath/work/l/token"
    assert plain["TRACEPARENT"] == "00-1-2-01"
    assert "twpu_x" not in str(plain)
