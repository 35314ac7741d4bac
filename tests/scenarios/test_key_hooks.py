"""A key-encryption key in a key management service, by the package that a site would write."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.scenarios.clients import Client
from tests.scenarios.commands import towpath

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.scenarios.servers import Server

pytestmark = pytest.mark.subject("app", "identity", "values")

PACKAGE = """
import os
from pathlib import Path
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from towpath_auth.envelope import SealBroken

DOWN = Path(__file__).with_name("down")


class Key:
    key_id = "site-1"

    def _cipher(self):
        if DOWN.exists():
            raise ConnectionError("kms.example.org refused the connection")
        return AESGCM(b"k" * 32)

    def wrap(self, data_key, place):
        nonce = os.urandom(12)
        return nonce + self._cipher().encrypt(nonce, data_key, place)

    def unwrap(self, wrapped, place):
        try:
            return self._cipher().decrypt(wrapped[:12], wrapped[12:], place)
        except InvalidTag:
            raise SealBroken from None
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an installed package that has a hook; a file `down` in it is an outage."""
    folder = tmp_path / "site"
    described = folder / "site_kms-1.0.dist-info"
    described.mkdir(parents=True)
    (folder / "site_kms.py").write_text(PACKAGE)
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: site-kms\nVersion: 1.0\n")
    hook = "[towpath.key_encryption_key]\nsite = site_kms:Key\n"
    (described / "entry_points.txt").write_text(hook)
    known = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(folder), known))))
    return folder


def test_a_server_keeps_its_keys_with_a_hook_and_outlives_an_outage(
    make_server: Callable[..., Server], site: Path, tmp_path: Path
) -> None:
    server = make_server()
    server.home.mkdir()
    made = towpath(server.home, "server", "init-auth")
    assert made.returncode == 0, made.stderr
    assert not (server.home / "server.key").exists()
    server.start()
    owner = Client(
        tmp_path / "owner",
        {"TOWPATH_SERVER_ADDRESS": server.address, "TOWPATH_API_KEY": made.stdout.strip()},
    )
    owner.says("whoami")

    (site / "down").touch()
    owner.says("whoami")
    refused = towpath(server.home, "server", "rotate-keys")
    assert refused.returncode == 1
    assert "'site'" in refused.stderr
    assert "kms.example.org refused the connection" in refused.stderr
    assert "Traceback" not in refused.stderr
    unsealed = owner.towpath("secret", "create", "x", "--value-file", __file__)
    assert unsealed.returncode != 0
    assert "try again" in unsealed.stderr
    assert "kms.example.org" not in unsealed.stderr
    assert server.stop() == 0
    again = towpath(server.home, "server", "start", "--port", "0", "--web-port", "0")
    assert again.returncode == 1
    assert "kms.example.org refused the connection" in again.stderr
    assert "Traceback" not in again.stderr

    (site / "down").unlink()
    server.start()
    owner.says("whoami")
    owner.says("secret", "create", "x", "--value-file", __file__)
    file = tmp_path / "own.key"
    moved = towpath(server.home, "server", "rotate-keys", "--new-key", f"file:{file}")
    assert moved.returncode == 0, moved.stderr
    assert f"--key-file {file}" in moved.stdout
    assert server.stop() == 0
    server.options = ("--key-file", str(file))
    server.start()
    owner.says("whoami")
