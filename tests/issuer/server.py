"""An OpenID Connect issuer on loopback: discovery, keys, the browser's way and the device's.

Whoever comes to its login page is `email` and is let in at once.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

if TYPE_CHECKING:
    from collections.abc import Generator

CLIENT = "towpath-cli"


@dataclass
class Issuer:
    """What the issuer knows, and what it does next."""

    url: str = ""
    email: str = "ada@example.org"
    verified: bool = True
    kid: str = "k1"
    keys: dict[str, Any] = field(default_factory=dict)
    down: bool = False
    calls: list[str] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    device_polls: int = 0
    refuse: str = ""
    """An error that the login page sends people back with."""

    def __post_init__(self) -> None:
        self.add_key(self.kid)

    def add_key(self, kid: str) -> None:
        """Makes a key, publishes it, and signs with it."""
        self.keys[kid] = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.kid = kid

    def token(self, *, audience: str = CLIENT, life: int = 300, **claims: Any) -> str:
        """A token of this issuer."""
        now = int(time.time())
        content = {
            "iss": self.url,
            "aud": audience,
            "sub": "subject-1",
            "iat": now,
            "exp": now + life,
            "jti": secrets.token_hex(8),
            **claims,
        }
        return jwt.encode(content, self.keys[self.kid], "RS256", headers={"kid": self.kid})

    def id_token(self, **claims: Any) -> str:
        """A token that signs in whoever comes."""
        said = {"email": self.email, "email_verified": self.verified}
        return self.token(**{**said, **claims})

    def jwks(self) -> str:
        """Its key set."""
        found = []
        for kid, key in self.keys.items():
            jwk: dict[str, Any] = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
            found.append({**jwk, "kid": kid, "use": "sig", "alg": "RS256"})
        return json.dumps({"keys": found})

    def discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "jwks_uri": f"{self.url}/keys",
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "device_authorization_endpoint": f"{self.url}/device",
        }

    def authorize(self, asked: dict[str, str]) -> str:
        """Where the login page sends people back to."""
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT
        assert asked["code_challenge_method"] == "S256"
        if self.refuse:
            answer = {"error": self.refuse, "state": asked["state"]}
        else:
            code = secrets.token_urlsafe(16)
            self.codes[code] = asked
            answer = {"code": code, "state": asked["state"]}
        return f"{asked['redirect_uri']}?{urlencode(answer)}"

    def exchange(self, asked: dict[str, str]) -> tuple[int, dict[str, str]]:
        """The token endpoint."""
        if asked["grant_type"].endswith(":device_code"):
            self.device_polls += 1
            if self.device_polls == 1:
                return 400, {"error": "authorization_pending"}
            return 200, {"id_token": self.id_token()}
        begun = self.codes.pop(asked["code"])
        digest = hashlib.sha256(asked["code_verifier"].encode()).digest()
        assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == begun["code_challenge"]
        assert asked["redirect_uri"] == begun["redirect_uri"]
        return 200, {"id_token": self.id_token(nonce=begun["nonce"]), "token_type": "Bearer"}


@contextmanager
def running_issuer() -> Generator[Issuer]:
    """An issuer on a free port of loopback."""
    issuer = Issuer()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(issuer))
    issuer.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(issuer: Issuer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            issuer.calls.append(parts.path)
            if issuer.down:
                self._answer(503, {})
            elif parts.path == "/authorize":
                asked = {key: values[0] for key, values in parse_qs(parts.query).items()}
                self.send_response(302)
                self.send_header("location", issuer.authorize(asked))
                self.end_headers()
            elif parts.path == "/keys":
                self._answer(200, json.loads(issuer.jwks()))
            else:
                self._answer(200, issuer.discovery())

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["content-length"])).decode()
            asked = {key: values[0] for key, values in parse_qs(content).items()}
            if self.path == "/device":
                self._answer(
                    200,
                    {
                        "device_code": "d",
                        "user_code": "ABCD-EFGH",
                        "verification_uri": f"{issuer.url}/activate",
                        "expires_in": 600,
                        "interval": 1,
                    },
                )
            else:
                self._answer(*issuer.exchange(asked))

        def _answer(self, status: int, content: Any) -> None:
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
