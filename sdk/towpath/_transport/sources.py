"""What proves who calls, and how it becomes an access token.

An API key, a token that the platform renews in a file, or a login whose refresh token changes with
every use. A login is shared by all processes of its user: they take turns, and use one another's
access token for as long as it holds.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from towpath._settings.readers import read_api_key
from towpath.api.v1 import auth_service_pb2 as pb
from towpath.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from google.protobuf.message import Message

    Call = Callable[[str, Message], Message]

EXCHANGE: Final = "towpath.api.v1.AuthService/ExchangeToken"
_KEY_ADVICE: Final = "TOWPATH_API_KEY_FILE names it: put the key there, or set TOWPATH_API_KEY"
_AGAIN: Final = "sign in again with `towpath login`"
# Less than this is left of a token that another process has got: one of our own lasts longer.
_LEAST_SECONDS: Final = 120.0

_log = logging.getLogger("towpath")


class Source(Protocol):
    """Where access tokens come from."""

    def exchange(self, call: Call, dropped: str) -> tuple[str, float]:
        """An access token, and for how many seconds it holds.

        Args:
            call: Makes a unary call without credentials.
            dropped: Token that the service says is used up; empty for none.

        Raises:
            RpcError: The service gives none.
            ConfigurationError: What proves who calls can't be read.
        """
        ...


class ApiKeySource:
    """Where the API key is: a text, or a file that may be replaced at any time."""

    def __init__(self, key: str = "", file: Path | None = None) -> None:
        """Reads nothing yet."""
        self._key = key
        self._file = file

    def __repr__(self) -> str:
        return "ApiKeySource(***)"

    def exchange(self, call: Call, dropped: str) -> tuple[str, float]:
        """Exchanges the key as it is now."""
        del dropped
        return _token_of(_exchanged(call, api_key=self._read()))

    def _read(self) -> str:
        if self._key or self._file is None:
            return self._key
        text = _read(self._file, _KEY_ADVICE)
        try:
            return read_api_key(text)
        except ValueError as error:
            # Half of a key is what whoever reads while it is written sees: it goes nowhere.
            problem = f"{self._file}: what it holds {error}. {_KEY_ADVICE}"
            raise ConfigurationError(problem) from error


class TokenFileSource:
    """A file in which the platform keeps a token of its own: of Kubernetes, or of a CI service."""

    def __init__(self, file: Path, tenant: str) -> None:
        """Reads nothing yet."""
        self._file = file
        self._tenant = tenant

    def exchange(self, call: Call, dropped: str) -> tuple[str, float]:
        """Exchanges the token as it is now."""
        del dropped
        token = _read(self._file, "TOWPATH_TOKEN_FILE names it: bring it back, or set another")
        return _token_of(_exchanged(call, id_token=token, tenant=self._tenant))


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """A login as it is kept in its file."""

    server: str
    """Host of the server that it is of."""
    refresh_token: str = field(repr=False)
    access_token: str = field(default="", repr=False)
    expires_at: float = 0.0
    """When the access token ends: seconds since the Unix epoch, on this machine's clock."""


class SignInSource:
    """A login, kept in a file that only its user can read."""

    def __init__(self, file: Path, server: str) -> None:
        """Reads nothing yet.

        Args:
            file: Where it is kept.
            server: Host of the server that is called: no other is sent the login.
        """
        self._file = file
        self._server = server

    def __repr__(self) -> str:
        return f"SignInSource({self._file})"

    def exchange(self, call: Call, dropped: str) -> tuple[str, float]:
        """The access token that another process has got, or a new one."""
        with _turn(self._file):
            kept = read_sign_in(self._file)
            if kept.server != self._server:
                raise ConfigurationError(
                    f"{self._file} holds a login at {kept.server}, and it isn't shown to"
                    f" {self._server}: {_AGAIN}"
                )
            left = kept.expires_at - time.time()
            if kept.access_token not in {"", dropped} and left > _LEAST_SECONDS:
                return kept.access_token, left
            answer = _exchanged(call, refresh_token=kept.refresh_token)
            try:
                write_sign_in(self._file, sign_in_of(answer, self._server))
            except ConfigurationError as error:
                # The token holds for minutes: whoever has it can go on meanwhile.
                _log.warning("the login can't be kept, and ends soon: %s", error)
            return _token_of(answer)


def sign_in_of(answer: pb.ExchangeTokenResponse, server: str) -> SignIn:
    """The login that an exchange has made, or gone on with."""
    token, life = _token_of(answer)
    return SignIn(
        server=server,
        refresh_token=answer.refresh_token,
        access_token=token,
        expires_at=time.time() + life,
    )


def read_sign_in(file: Path) -> SignIn:
    """Reads a login.

    Raises:
        ConfigurationError: There is none that can be read.
    """
    try:
        content: Any = json.loads(file.read_bytes())
        return SignIn(**content)
    except FileNotFoundError as error:
        raise ConfigurationError(f"{file} is gone, and with it your login: {_AGAIN}") from error
    except OSError as error:
        raise ConfigurationError(
            f"{file} can't be read: {error.strerror}. Free it, or {_AGAIN}"
        ) from error
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"{file} holds no login: {_AGAIN}") from error


def write_sign_in(file: Path, sign_in: SignIn) -> None:
    """Keeps a login, readable by its user only; whoever reads meanwhile sees the one before.

    Raises:
        ConfigurationError: It can't be written.
    """
    written = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            json.dump(asdict(sign_in), opened)
            opened.flush()
            os.fsync(descriptor)
        written.replace(file)
    except OSError as error:
        written.unlink(missing_ok=True)
        raise ConfigurationError(f"{file} can't be written: {error.strerror}") from error


@contextmanager
def _turn(file: Path) -> Generator[None]:
    """One process at a time uses a login: two at once would look like a thief."""
    lock = file.with_name(f".{file.name}.lock")
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ConfigurationError(f"{lock} can't be written: {error.strerror}. Free it") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _exchanged(call: Call, **credential: str) -> pb.ExchangeTokenResponse:
    answer = call(EXCHANGE, pb.ExchangeTokenRequest(**credential))
    assert isinstance(answer, pb.ExchangeTokenResponse)
    return answer


def _token_of(answer: pb.ExchangeTokenResponse) -> tuple[str, float]:
    return answer.access_token, answer.expires_in.ToMicroseconds() / 1e6


def _read(file: Path, advice: str) -> str:
    try:
        text = file.read_text("ascii").strip()
    except (OSError, ValueError) as error:
        cause = getattr(error, "strerror", None) or "it holds no text that could be one"
        raise ConfigurationError(f"{file}: {cause}. {advice}") from error
    if not text:
        raise ConfigurationError(f"{file}: it is empty. {advice}")
    return text
