"""Keys in key management services, and in the environment."""

from __future__ import annotations

import asyncio
import base64
import logging
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from towpath_service.app.identity import key_hooks
from towpath_service.app.identity.bootstrap import enable_identity
from towpath_service.app.identity.key_sources import KEY_VARIABLE, KeySource
from towpath_service.app.identity.sealing import sealer
from towpath_service.app.identity.secret_keys import sealing_of
from towpath_service.app.options import IdentityOptions
from towpath_service.app.wiring import open_service
from towpath_service.cli.server import server
from towpath_service.core.errors import ServiceError

from tests.contract.values.test_secrets import VALUE, create, runner, value
from tests.in_process.place import Place
from tests.unit.service.app import fake_kms

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PLACE = "server_key/signing/1"


@pytest.fixture
def hooks(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Installs hooks of `fake_kms`, and no others."""
    monkeypatch.setattr(fake_kms, "trouble", [])
    monkeypatch.setattr(fake_kms, "asked", [])
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    monkeypatch.delenv("TOWPATH_SERVER_KEY_FILE", raising=False)

    def install(*names: str) -> None:
        found = [EntryPoint(name, f"{fake_kms.__name__}:{name}", key_hooks.HOOK) for name in names]

        def entry_points(*, group: str, name: str | None = None) -> list[EntryPoint]:
            assert group == key_hooks.HOOK
            return [each for each in found if name in {None, each.name}]

        monkeypatch.setattr(key_hooks, "entry_points", entry_points)

    install()
    return install


def variable_key(byte: bytes) -> str:
    return base64.b64encode(byte * 32).decode()


def test_a_hook_that_is_installed_has_the_key(hooks: Callable[..., None], tmp_path: Path) -> None:
    hooks("first")
    sealed = sealer(tmp_path, None, make=True).seal(b"secret", PLACE)
    assert ".kms-first." in sealed
    assert not list(tmp_path.iterdir())
    assert sealer(tmp_path, None, make=False).open(sealed, PLACE) == b"secret"
    assert fake_kms.asked == ["wrap", "unwrap"]
    for named, place in ((None, "elsewhere"), (KeySource("file", str(tmp_path / "k")), PLACE)):
        with pytest.raises(ServiceError) as raised:
            sealer(tmp_path, named, make=True).open(sealed, place)
        assert raised.value.reason == "KEY_UNUSABLE"
        assert key_hooks.HOOK in raised.value.message


def test_the_environment_has_the_key_where_there_is_no_hook(
    hooks: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, variable_key(b"e"))
    sealed = sealer(tmp_path, None, make=True).seal(b"secret", PLACE)
    assert not list(tmp_path.iterdir())
    named = KeySource("env", KEY_VARIABLE)
    assert sealer(tmp_path, named, make=False).open(sealed, PLACE) == b"secret"
    hooks("first")
    with pytest.raises(ServiceError, match="another one"):
        sealer(tmp_path, None, make=False).open(sealed, PLACE)
    hooks()
    for wrong in ("nonsense", base64.b64encode(b"short").decode()):
        monkeypatch.setenv(KEY_VARIABLE, wrong)
        with pytest.raises(ServiceError, match="openssl rand -base64 32") as raised:
            sealer(tmp_path, None, make=True)
        assert wrong not in raised.value.message


UNUSABLE = {
    "unusable": "key_id",
    "incomplete": "it has no key_id",
    "nowhere": "install the package that brings it",
    "closed": "no credentials for kms.example.org",
    "missing": "AttributeError",
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_hook_that_cant_be_used_is_named(
    hooks: Callable[..., None], tmp_path: Path, name: str
) -> None:
    hooks(*({"first", *UNUSABLE} - {"nowhere"}))
    with pytest.raises(ServiceError) as raised:
        sealer(tmp_path, KeySource("hook", name), make=True)
    assert raised.value.reason in {"KEY_UNUSABLE", "KEY_UNREACHABLE"}
    assert repr(name) in raised.value.message
    assert UNUSABLE[name] in raised.value.message


def test_what_is_no_key_is_taken_for_none(hooks: Callable[..., None], tmp_path: Path) -> None:
    hooks("odd")
    odd = sealer(tmp_path, None, make=False)
    with pytest.raises(ServiceError, match="must return bytes"):
        odd.seal(b"secret", PLACE)
    with pytest.raises(ServiceError, match="32 bytes"):
        odd.open("1.odd.AAAA.AAAA", PLACE)


def test_of_two_hooks_none_is_guessed(hooks: Callable[..., None], tmp_path: Path) -> None:
    hooks("second", "first")
    with pytest.raises(ServiceError, match="first and second"):
        sealer(tmp_path, None, make=False)


async def test_a_running_server_goes_on_while_the_service_of_its_key_is_down(
    hooks: Callable[..., None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hooks("first")
    database = tmp_path / "towpath.db"
    sealing = sealing_of(tmp_path, None)
    made = await enable_identity(database, sealing, "owner@example.org")
    assert made is not None
    async with open_service(database, identity=IdentityOptions(), sealing=sealing) as service:
        place = Place(service, made.api_key)
        place.owner = await place.token(made.api_key)
        await create(place, place.owner)
        token = await runner(place)
    async with open_service(database, identity=IdentityOptions(), sealing=sealing) as service:
        place = Place(service, made.api_key)
        fake_kms.trouble.append(TimeoutError("kms.example.org:443"))
        await place.authority.open()
        place.owner = await place.token(made.api_key)
        with pytest.raises(ServiceError) as raised:
            await value(place, token)
        assert raised.value.reason == "OVERLOADED"
        assert raised.value.retry_after_seconds
        assert "kms.example.org" not in raised.value.message
        assert "kms.example.org:443" in caplog.text
        assert "Traceback" not in caplog.text
        fake_kms.trouble.clear()
        assert await value(place, token) == (VALUE, 1)
        # What was opened once is asked for no more.
        fake_kms.trouble.append(TimeoutError("kms.example.org:443"))
        assert await value(place, token) == (VALUE, 1)


def said(home: Path, *words: str) -> Any:
    return CliRunner().invoke(server, list(words), env={"TOWPATH_HOME": str(home)})


TROUBLE = {
    "down": TimeoutError("kms.example.org:443 timed out"),
    "refusing": PermissionError("kms.example.org: key kms-first: access denied"),
}


@pytest.mark.parametrize("how", TROUBLE)
@pytest.mark.parametrize("command", ["start", "recover-owner", "rotate-keys", "init-auth"])
def test_commands_say_what_is_wrong_with_the_service_of_the_key(
    hooks: Callable[..., None],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    how: str,
    command: str,
) -> None:
    hooks("first")
    if command != "init-auth":
        assert said(tmp_path, "init-auth").exit_code == 0
    fake_kms.trouble.append(TROUBLE[how])
    ports = ("--port", "0", "--web-port", "0") if command == "start" else ()
    ended = said(tmp_path, command, *ports)
    assert ended.exit_code == 1
    assert isinstance(ended.exception, SystemExit)
    assert str(TROUBLE[how]) in ended.output
    assert "lets this machine use the key, then try again" in ended.output
    assert "Traceback" not in ended.output + caplog.text
    fake_kms.trouble.clear()
    assert said(tmp_path, "recover-owner" if command != "init-auth" else command).exit_code == 0


def opens(home: Path, key: str, named: KeySource | None = None) -> bool:
    """Whether a server opens its keys by what it finds, or by a named key."""

    async def exchange() -> None:
        sealing = sealing_of(home, named)
        async with open_service(
            home / "towpath.db", identity=IdentityOptions(), sealing=sealing
        ) as service:
            assert await Place(service, key).token(key)

    try:
        asyncio.run(exchange())
    except ServiceError as error:
        if error.reason != "KEY_UNUSABLE":
            raise
        return False
    return True


def test_all_is_sealed_anew_from_a_file_to_a_hook_to_another_to_the_environment_and_back(
    hooks: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = said(tmp_path, "init-auth").stdout.strip()
    assert opens(tmp_path, key)
    file = str(tmp_path / "server.key")
    monkeypatch.setenv("NEXT_KEY", variable_key(b"v"))
    hooks("first")
    moved = said(tmp_path, "rotate-keys", "--key-file", file, "--new-key", "hook:first")
    assert moved.exit_code == 0, moved.output
    assert "3 keys are sealed with hook:first" in moved.output
    assert opens(tmp_path, key)
    assert not opens(tmp_path, key, KeySource("file", file))

    hooks("first", "second")
    words = ("--key", "hook:first", "--new-key", "hook:second")
    assert said(tmp_path, "rotate-keys", *words).exit_code == 0
    hooks("second")
    assert opens(tmp_path, key)

    moved = said(tmp_path, "rotate-keys", "--new-key", "env:NEXT_KEY")
    assert KEY_VARIABLE in moved.output
    assert variable_key(b"v") not in moved.output
    hooks()
    monkeypatch.setenv(KEY_VARIABLE, variable_key(b"v"))
    assert opens(tmp_path, key)

    back = f"file:{tmp_path / 'again.key'}"
    assert said(tmp_path, "rotate-keys", "--new-key", back).exit_code == 0
    monkeypatch.delenv(KEY_VARIABLE)
    assert opens(tmp_path, key, KeySource("file", str(tmp_path / "again.key")))
    assert not opens(tmp_path, key)


@pytest.mark.parametrize("source", ["new.key", "kms:x", "file:", "env", ""])
def test_what_names_no_place_of_a_key_is_refused(tmp_path: Path, source: str) -> None:
    refused = said(tmp_path, "rotate-keys", "--new-key", source)
    assert refused.exit_code == 2
    for word in ("file:PATH", "env:NAME", "hook:NAME"):
        assert word in refused.output


def test_a_new_key_that_isnt_there_changes_nothing(
    hooks: Callable[..., None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    assert said(tmp_path, "init-auth").exit_code == 0
    for source, told in (("env:NOT_SET", "NOT_SET must hold"), ("hook:nowhere", "'nowhere'")):
        refused = said(tmp_path, "rotate-keys", "--new-key", source)
        assert refused.exit_code == 1
        assert told in refused.output
    assert said(tmp_path, "recover-owner").exit_code == 0
    hooks("first")
    fake_kms.trouble.append(TROUBLE["down"])
    refused = said(
        tmp_path,
        *("rotate-keys", "--key-file", str(tmp_path / "server.key"), "--new-key", "hook:first"),
    )
    assert refused.exit_code == 1
    hooks()
    assert said(tmp_path, "recover-owner").exit_code == 0
