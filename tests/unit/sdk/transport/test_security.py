"""Which servers are on this machine, so that plain text to them is safe."""

from __future__ import annotations

import pytest
from towpath._transport.security import is_local


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("localhost:4730", True),
        ("127.0.0.1:4730", True),
        ("[::1]:4730", True),
        ("[::ffff:127.0.0.1]:4730", True),
        ("[::ffff:192.0.2.7]:4730", False),
        ("192.0.2.7:4730", False),
        ("towpath.example.com:4730", False),
    ],
)
def test_a_server_is_local_on_every_python(address: str, local: bool):
    assert is_local(address) is local
