"""Where the key of secrets comes from, for a service that asks nobody who they are."""

from __future__ import annotations

import base64
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from towpath.exceptions import RpcError
from towpath_service.app.identity.key_rotation import reseal_keys, rotate_data_keys
from towpath_service.app.identity.key_sources import file_source
from towpath_service.app.identity.secret_keys import sealing_of
from towpath_service.app.wiring import open_service
from towpath_service.core.errors import ServiceError
from towpath_service.database.postgres_url import parse_postgres_url
from towpath_service.embedded import open_embedded

from tests.contract.values.test_secrets import NAME, VALUE, create, value
from tests.in_process.place import Place

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path


@asynccontextmanager
async def local(
    database: Any, home: Path, key_file: Path | None = None, *, shared: bool = False
) -> AsyncGenerator[Place]:
    sealing = sealing_of(home, file_source(key_file), shared=shared)
    async with open_service(database, sealing=sealing) as service:
        yield Place(service, "")


def any_token() -> Any:
    """Nobody is asked for one."""
    return None


def new_key(path: Path) -> Path:
    path.write_bytes(base64.b64encode(os.urandom(32)))
    path.chmod(0o600)
    return path


async def test_a_laptop_gets_a_key_with_its_first_secret(tmp_path: Path) -> None:
    key = tmp_path / "server.key"
    async with local(tmp_path / "towpath.db", tmp_path) as place:
        refusal = await place.refusal(None, "SecretService/AccessSecret", name=NAME)
        assert refusal.reason == "RESOURCE_NOT_FOUND"
        assert not key.exists()
        await create(place, any_token())
        assert key.stat().st_mode & 0o777 == 0o600
        assert await value(place, any_token()) == (VALUE, 1)
    async with local(tmp_path / "towpath.db", tmp_path) as place:
        assert await value(place, any_token()) == (VALUE, 1)


async def test_a_lost_key_is_not_made_anew(tmp_path: Path) -> None:
    async with local(tmp_path / "towpath.db", tmp_path) as place:
        await create(place, any_token())
    key = tmp_path / "server.key"
    kept = key.rename(tmp_path / "elsewhere.key")
    async with local(tmp_path / "towpath.db", tmp_path) as place:
        for method, fields in (
            ("AccessSecret", {"name": NAME}),
            ("UpdateSecret", {"secret": {"name": NAME, "value": b"x"}}),
        ):
            refusal = await place.refusal(None, f"SecretService/{method}", **fields)
            assert refusal.reason == "FEATURE_DISABLED", method
            assert "bring it back" in refusal.message
        assert not key.exists()
        # What needs no key goes on.
        await place.call(None, "SecretService/GetSecret", name=NAME)
    new_key(key)
    async with local(tmp_path / "towpath.db", tmp_path) as place:
        refusal = await place.refusal(None, "SecretService/AccessSecret", name=NAME)
        assert refusal.reason == "FEATURE_DISABLED"
        assert "another one" in refusal.message
    async with local(tmp_path / "towpath.db", tmp_path, kept) as place:
        assert await value(place, any_token()) == (VALUE, 1)


async def test_servers_that_share_a_database_need_a_key_that_they_share(
    postgres_dsn: str, tmp_path: Path
) -> None:
    url = parse_postgres_url(postgres_dsn)
    async with local(url, tmp_path, shared=True) as place:
        refusal = await place.refusal(
            None,
            "SecretService/CreateSecret",
            parent="workspaces/default",
            secret_id="x",
            secret={"value": VALUE},
        )
        assert refusal.reason == "FEATURE_DISABLED"
        assert "--key-file" in refusal.message
        assert VALUE.decode() not in refusal.message
    assert not os.listdir(tmp_path)  # noqa: PTH208 - a loop waits for nothing here
    key = new_key(tmp_path / "shared.key")
    async with local(url, tmp_path, key, shared=True) as place:
        await create(place, any_token())
    async with local(url, tmp_path / "another", key, shared=True) as place:
        assert await value(place, any_token()) == (VALUE, 1)


async def test_a_service_that_was_given_no_key_says_so(tmp_path: Path) -> None:
    async with open_service(tmp_path / "towpath.db") as service:
        with pytest.raises(ServiceError) as raised:
            await create(Place(service, ""), any_token())
    assert raised.value.reason == "FEATURE_DISABLED"


async def test_a_database_in_memory_has_a_key_in_memory() -> None:
    async with open_service(None) as service:
        place = Place(service, "")
        await create(place, any_token())
        assert await value(place, any_token()) == (VALUE, 1)


async def test_a_laptops_keys_can_be_changed_too(tmp_path: Path) -> None:
    database, new = tmp_path / "towpath.db", tmp_path / "new.key"
    async with local(database, tmp_path) as place:
        await create(place, any_token())
    old = sealing_of(tmp_path, None)
    following = sealing_of(tmp_path, file_source(new))
    assert await reseal_keys(database, old, following) == 1
    (tmp_path / "server.key").unlink()
    assert await rotate_data_keys(database, following, lambda _: None) == 1
    async with local(database, tmp_path, new) as place:
        assert await value(place, any_token()) == (VALUE, 1)


def test_an_embedded_service_uses_the_key_that_servers_are_started_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from towpath.api.v1 import secret_service_pb2 as pb  # noqa: PLC0415 - for this test only

    key = new_key(tmp_path / "named.key")
    monkeypatch.setenv("TOWPATH_SERVER_KEY_FILE", str(key))
    transport = open_embedded(tmp_path)
    try:
        transport.unary(
            "towpath.api.v1.SecretService/CreateSecret",
            pb.CreateSecretRequest(
                parent="workspaces/default",
                secret_id="db-password",
                secret=pb.Secret(value=VALUE),
            ),
        )
        with pytest.raises(RpcError, match="must not be empty"):
            transport.unary(
                "towpath.api.v1.SecretService/CreateSecret",
                pb.CreateSecretRequest(
                    parent="workspaces/default", secret_id="x", secret=pb.Secret(description="x")
                ),
            )
    finally:
        transport.close()
    assert not (tmp_path / "server.key").exists()
