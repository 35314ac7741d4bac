"""The commands of `towpath server` that are about identity."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from towpath.api.v1 import access_service_pb2, tenant_service_pb2
from towpath_service.app.identity.bootstrap import enable_identity
from towpath_service.app.identity.secret_keys import sealing_of
from towpath_service.cli.server import server
from towpath_service.core.errors import ServiceError
from towpath_service.identity.domain.principals import EMAIL
from towpath_service.rpc.validation import first_violation

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, which commands of this process work on."""
    monkeypatch.setenv("TOWPATH_HOME", str(tmp_path))
    return tmp_path


def said(*words: str) -> Result:
    return CliRunner().invoke(server, list(words))


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("words", "end"),
    [((), "ends at 2"), (("--expires", "12h"), "ends at 2"), (("--expires", "forever"), "never")],
)
def test_the_first_key_is_shown_with_when_it_ends(words: tuple[str, ...], end: str) -> None:
    shown = said("init-auth", *words)
    assert shown.exit_code == 0
    assert shown.stdout.startswith("twpu_")
    assert end in shown.stderr
    assert "ends at 2" in said("recover-owner").stderr


@pytest.mark.usefixtures("home")
def test_an_installer_switches_identity_on_as_often_as_it_runs_and_shows_no_key() -> None:
    for _ in range(2):
        done = said("init-auth", "--no-key", "--owner", "eve@example.org")
        assert done.exit_code == 0
        assert done.stdout == ""
        assert "twpu_" not in done.stderr
        assert "towpath server recover-owner" in done.stderr
    assert said("recover-owner").stdout.startswith("twpu_")
    # By hand it is still refused, since no key would be shown.
    assert said("init-auth").exit_code == 1


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("age", ["0d", "soon"])
def test_a_first_key_that_would_be_of_no_use_isnt_made(home: Path, age: str) -> None:
    refused = said("init-auth", "--expires", age)
    assert refused.exit_code == 2
    assert "90d" in refused.output
    assert not list(home.iterdir())


@pytest.mark.parametrize(
    "owner",
    [
        "ada",
        "serviceAccounts/ada",
        "a da@example.org",
        "\N{LATIN SMALL LETTER U WITH DIAERESIS}@x.de",
        "",
        "a@b\n",
        "@x",
    ],
)
@pytest.mark.parametrize("command", ["init-auth", "start"])
def test_who_cant_be_named_owns_nothing(home: Path, command: str, owner: str) -> None:
    refused = said(command, *(("--auth",) if command == "start" else ()), "--owner", owner)
    assert refused.exit_code == 2
    assert "--owner" in refused.output
    assert "ada@example.org" in refused.output
    assert not list(home.iterdir())
    with pytest.raises(ServiceError) as raised:
        asyncio.run(enable_identity(home / "towpath.db", sealing_of(home, None), owner))
    assert raised.value.reason == "INVALID_REQUEST"


def test_the_first_owner_is_named_as_the_contract_names_users() -> None:
    for message in (
        access_service_pb2.CreateUserRequest(email="ada"),
        tenant_service_pb2.CreateTenantRequest(tenant_id="acme", owner_email="ada"),
    ):
        violation = first_violation(message)
        assert violation is not None
        assert f"`^{EMAIL.pattern}$`" in violation.description


async def test_an_owner_is_kept_in_lower_case(home: Path) -> None:
    made = await enable_identity(home / "towpath.db", sealing_of(home, None), "Ada@Example.org")
    assert made is not None
    assert made.owner.name == "users/ada@example.org"
