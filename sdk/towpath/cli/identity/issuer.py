"""Gets a token from an OpenID Connect issuer: by a browser, or by a code typed on another device.

By a browser: authorization code with PKCE, and an answer on a port of this machine (RFC 8252). This
module checks that the answer belongs to the request; the service verifies the token.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
import urllib.error
import urllib.request
import webbrowser
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import parse_qs, urlencode, urlsplit

from towpath.cli.shared.errors import FORBIDDEN, TIMED_OUT, UNREACHABLE, CommandError
from towpath.cli.shared.session import note

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

BROWSER_SECONDS: Final = 300.0
_STEP_SECONDS: Final = 10.0
_MOST_BYTES: Final = 1_000_000
_CALLBACK: Final = "/callback"
_DEVICE_GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
_PAGE: Final = (
    "<!doctype html><meta charset=utf-8><title>Towpath</title>"
    "<body style='font-family:sans-serif;margin:4em'><h1>Towpath</h1><p>{text}</p>"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """An issuer that people sign in at."""

    url: str
    client_id: str
    scopes: Sequence[str]
    endpoints: Mapping[str, Any] = field(repr=False)

    def endpoint(self, name: str) -> str:
        """The URL of an endpoint; empty when the issuer has none."""
        found = self.endpoints.get(f"{name}_endpoint", "")
        return found if isinstance(found, str) and _is_safe(found) else ""


def discover(url: str, client_id: str, scopes: Sequence[str]) -> Issuer:
    """Asks an issuer for its endpoints.

    Raises:
        CommandError: The address isn't one of an issuer.
    """
    if not _is_safe(url):
        raise _not_an_issuer(url, "the address isn't https")
    where = f"{url.rstrip('/')}/.well-known/openid-configuration"
    found = _json(urllib.request.Request(where))  # noqa: S310 - `_is_safe` has checked it
    if found.get("issuer") != url:
        raise _not_an_issuer(url, "the server there says it is another issuer")
    return Issuer(url=url, client_id=client_id, scopes=scopes, endpoints=found)


def by_browser(issuer: Issuer) -> str:
    """Opens a browser, and returns the token of the person who signs in there.

    Raises:
        CommandError: No person signs in in time, or the issuer refuses.
    """
    page, tokens = issuer.endpoint("authorization"), issuer.endpoint("token")
    if not page or not tokens:
        raise _not_an_issuer(issuer.url, "it offers no sign-in with a browser")
    verifier, state, nonce = (secrets.token_urlsafe(48) for _ in range(3))
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
    with _answered(state) as answer:
        query = {
            "response_type": "code",
            "client_id": issuer.client_id,
            "redirect_uri": answer.address,
            "scope": " ".join(issuer.scopes),
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge.rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        url = f"{page}{'&' if urlsplit(page).query else '?'}{urlencode(query)}"
        note(f"Sign in with your browser. If none opens, open this address:\n{url}")
        # A browser in the terminal returns when the person leaves it, which is after the answer.
        threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
        code = answer.wait()
    token = _token(
        tokens,
        {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": answer.address,
            "client_id": issuer.client_id,
            "code_verifier": verifier,
        },
    )
    if _claims(token).get("nonce") != nonce:
        raise _refused("its token answers another request")
    return token


def by_device(issuer: Issuer) -> str:
    """Shows a code, and returns the token of the person who types it at the issuer (RFC 8628).

    Raises:
        CommandError: No person types it in time, or the issuer refuses.
    """
    begun = _json(
        _post(
            issuer.endpoint("device_authorization"),
            {"client_id": issuer.client_id, "scope": " ".join(issuer.scopes)},
        )
    )
    where = begun.get("verification_uri_complete") or begun.get("verification_uri", "")
    note(f"Open {where} on any device, and type {begun.get('user_code', '')}")
    interval = float(begun.get("interval", 5))
    ends_at = time.monotonic() + float(begun.get("expires_in", 600))
    asked = {
        "grant_type": _DEVICE_GRANT,
        "device_code": str(begun.get("device_code", "")),
        "client_id": issuer.client_id,
    }
    while time.monotonic() < ends_at:
        time.sleep(interval)
        answer = _json(_post(issuer.endpoint("token"), asked), refusals=True)
        error = answer.get("error", "")
        if not error:
            return _id_token(answer)
        if error == "slow_down":
            interval += 5
        elif error != "authorization_pending":
            raise _refused(str(error))
    raise _late()


class _Answer:
    """The answer that the browser brings."""

    def __init__(self, server: HTTPServer, state: str) -> None:
        self._server = server
        self._state = state
        self._found: dict[str, str] = {}
        self.address = f"http://127.0.0.1:{server.server_address[1]}{_CALLBACK}"

    def wait(self) -> str:
        """Waits for the code.

        Raises:
            CommandError: It doesn't come in time, or the issuer refuses.
        """
        ends_at = time.monotonic() + BROWSER_SECONDS
        while not self._found:
            self._server.timeout = ends_at - time.monotonic()
            if self._server.timeout <= 0:
                raise _late()
            self._server.handle_request()
        if "code" not in self._found:
            raise _refused(self._found.get("error_description") or self._found.get("error", ""))
        return self._found["code"]

    def take(self, path: str) -> tuple[HTTPStatus, str]:
        """Takes a request of the browser; returns status and text of the page to answer with."""
        parts = urlsplit(path)
        found = {key: values[0] for key, values in parse_qs(parts.query).items()}
        # Any program on this machine, and any page in the browser, can call this port.
        right = secrets.compare_digest(found.get("state", "").encode(), self._state.encode())
        if parts.path != _CALLBACK or not right:
            return HTTPStatus.NOT_FOUND, "This page does not exist."
        self._found = found
        if "code" in found:
            return HTTPStatus.OK, "You are signed in. You can close this page."
        return HTTPStatus.OK, "You are not signed in. The terminal shows the reason."


@contextmanager
def _answered(state: str) -> Generator[_Answer]:
    """Listens for the browser on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        timeout = _STEP_SECONDS

        def do_GET(self) -> None:
            """Takes the answer."""
            status, text = answer.take(self.path)
            self.send_response(status)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.send_header("referrer-policy", "no-referrer")
            self.end_headers()
            self.wfile.write(_PAGE.format(text=text).encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as its base says
            """Logs nothing: the path contains the code."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    answer = _Answer(server, state)
    try:
        yield answer
    finally:
        server.server_close()


def _token(url: str, asked: dict[str, str]) -> str:
    answer = _json(_post(url, asked), refusals=True)
    if "error" in answer:
        raise _refused(str(answer.get("error_description") or answer["error"]))
    return _id_token(answer)


def _id_token(answer: dict[str, Any]) -> str:
    token = answer.get("id_token")
    if not isinstance(token, str):
        raise _refused("it returned no id_token: the trust's scopes must contain openid")
    return token


def _claims(token: str) -> dict[str, Any]:
    """A token's claims, which only the service verifies."""
    try:
        part = token.split(".")[1]
        found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, IndexError) as error:
        raise _refused("it returned no token") from error
    return found


def _post(url: str, content: dict[str, str]) -> urllib.request.Request:
    return urllib.request.Request(  # noqa: S310 - `_is_safe` has checked it
        url, urlencode(content).encode(), {"accept": "application/json"}
    )


def _json(request: urllib.request.Request, *, refusals: bool = False) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(request, timeout=_STEP_SECONDS) as answer:  # noqa: S310 - as `_post`
            content = answer.read(_MOST_BYTES)
    except urllib.error.HTTPError as error:
        with error:
            if not refusals:
                raise _not_an_issuer(request.full_url, f"it answers {error.code}") from error
            content = error.read(_MOST_BYTES)
    except OSError as error:
        raise CommandError(
            f"the issuer at {request.full_url} can't be reached: {error}",
            hint="sign in without the issuer: with `towpath login --device` or an API key",
            code="UNREACHABLE",
            exit_code=UNREACHABLE,
        ) from error
    try:
        found: Any = json.loads(content)
    except ValueError as error:
        raise _not_an_issuer(request.full_url, "its answer is not JSON") from error
    if not isinstance(found, dict):
        raise _not_an_issuer(request.full_url, "its answer is not a JSON object")
    return cast("dict[str, Any]", found)


def _is_safe(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" or (
        parts.scheme == "http" and parts.hostname in {"127.0.0.1", "localhost", "::1"}
    )


def _not_an_issuer(url: str, why: str) -> CommandError:
    return CommandError(
        f"{url} is no issuer to sign in at: {why}",
        hint="ask an owner of the tenant to check `towpath trust ls`",
        code="ISSUER_UNUSABLE",
    )


def _refused(why: str) -> CommandError:
    return CommandError(
        f"the issuer refused the sign-in: {why or 'it gave no reason'}",
        hint="try again, or ask the administrator of the issuer",
        code="SIGN_IN_REFUSED",
        exit_code=FORBIDDEN,
    )


def _late() -> CommandError:
    return CommandError(
        "the sign-in was not completed in time",
        hint="run `towpath login` again",
        code="SIGN_IN_EXPIRED",
        exit_code=TIMED_OUT,
    )
