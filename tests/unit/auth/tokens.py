"""Tokens, good and made to deceive."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

from towpath_auth import RunGrant
from towpath_auth.credentials import AccessClaims, SigningKey, Verifier, new_signing_key

ISSUER = "https://towpath/test"
AUDIENCE = "towpath-api"
NOW = 1_800_000_000
KEY = new_signing_key()
UUID = "01a208de-61b7-71d9-86a7-000000000020"
CLAIMS = AccessClaims(
    principal=f"users/{UUID}",
    tenant_id=UUID,
    credential_id="fT5lekGzAEdxCusw",
    client_id="key:fT5lekGzAEdxCusw",
    epoch=1,
    issued_at=NOW,
    expires_at=NOW + 600,
    token_id=UUID,
)
RUN_CLAIMS = replace(
    CLAIMS,
    principal=f"runs/{UUID}",
    run=RunGrant(workspace_id="default", run_id=UUID, attempt=2, fence=5),
)


def verifier() -> Verifier:
    made = Verifier(issuer=ISSUER, audience=AUDIENCE)
    made.use([KEY.public])
    return made


def token(claims: AccessClaims = CLAIMS, key: SigningKey = KEY) -> str:
    return key.sign(claims, issuer=ISSUER, audience=AUDIENCE)


def encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def decoded(part: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def header_of(text: str) -> dict[str, Any]:
    found: dict[str, Any] = decoded(text.split(".", maxsplit=1)[0])
    return found


def content_of(text: str) -> dict[str, Any]:
    found: dict[str, Any] = decoded(text.split(".")[1])
    return found
