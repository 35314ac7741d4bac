"""Credentials of the caller, and their exchange for access tokens.

A credential is an API key, a token that the platform renews in a file, or a login whose refresh
token changes with every use. All processes of a user share a login: they take turns to renew it,
and use one another's access token while it is valid.
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
# A token that another process has got is used only if it is valid for at least this long.
_LEAST_SECONDS: Final = 120.0

# A run's token is read again so often: its worker replaces it before it expires.
_RUN_TOKEN_SECONDS: Final = 10.0

_log = logging.getLogger("towpath")


class Source(Protocol):
    """A source of access tokens."""

    def exchange(self, call: Call, dropped: str) -> tuple[str, float]:
        """Returns an access token, and the number of seconds for which it is valid.

        Args:
            call: Makes a unary call without credentials.
            dropped: Token that the service has refused; empty for none.

        Raises:
            RpcError: The service gives no token.
            ConfigurationError: The credential can't be read.
        """
        ...


class ApiKeySource:
    """An API key, as a text or in a file that may be replaced at any time."""

    def __init__(self, key: str = "", file: Path | None = None) -> None:
        """Reads nothing yet."""
        self._key = key
        self._file = file

    def __repr__(self) -> str:
        return "ApiKeySource(***)"

    def exchange(self, call: Call, dropped: str) -> tuple[str, float]:
        """Exchanges the current key."""
        del dropped
        return _token_of(_exchanged(call, api_key=self._read()))

    def _read(self) -> str:
        if self._key or self._file is None:
            return self._key
        text = _read(self._file, _KEY_ADVICE)
        try:
            return read_api_key(text)
        except ValueError as error:
            # A reader may see half a key while the file is written; half a key isn't sent.
            problem = f"{self._file}: what it holds {error}. {_KEY_ADVICE}"
            raise ConfigurationError(problem) from error


class TokenFileSource:
    """A file in which the platform, as Kubernetes or a CI service, keeps a token of its own."""

    def __init__(self, file: Path, tenant: str) -> None:
        """Reads nothing yet."""
        self._file = file
        self._tenant = tenant

    def exchange(self, call: Call, dropped: str) -> tuple[str, float]:
        """Exchanges the file's current token."""
        del dropped
        token = _read(self._file, "TOWPATH_TOKEN_FILE names it: bring it back, or set another")
        return _token_of(_exchanged(call, id_token=token, tenant=self._tenant))


class RunTokenSource:
    """A file in which a worker keeps the access token of one run."""

    def __init__(self, file: Path) -> None:
        """Reads nothing yet."""
        self._file = file

    def exchange(self, call: Call, dropped: str) -> tuple[str, float]:
        """Returns the file's current token, which is used as it is."""
        del call, dropped
        token = _read(self._file, "TOWPATH_RUN_TOKEN_FILE names it: a run's worker writes it")
        return token, _RUN_TOKEN_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """A login, as its file holds it."""

    server: str
    """Host of the server that the login is for."""
    refresh_token: str = field(repr=False)
    access_token: str = field(default="", repr=False)
    expires_at: float = 0.0
    """End of the access token: seconds since the Unix epoch, by this machine's clock."""


class SignInSource:
    """A login, kept in a file that only its user can read."""

    def __init__(self, file: Path, server: str) -> None:
        """Reads nothing yet.

        Args:
            file: File of the login.
            server: Host of the server that is called; the login is sent to no other.
        """
        self._file = file
        self._server = server

    def __repr__(self) -> str:
        return f"SignInSource({self._file})"

    def exchange(self, call: Call, dropped: str) -> tuple[str, float]:
        """Returns the access token that another process has got, or a new one."""
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
                # The token is valid for minutes, so this process can use it meanwhile.
                _log.warning("the login can't be saved, and ends soon: %s", error)
            return _token_of(answer)


def sign_in_of(answer: pb.ExchangeTokenResponse, server: str) -> SignIn:
    """Returns the login that an exchange has made or renewed."""
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
        ConfigurationError: The file is gone, can't be read, or holds no login.
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
    """Saves a login for its user only; a concurrent reader gets the previous one.

    Raises:
        ConfigurationError: The file can't be written.
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
    """Lets one process at a time use a login; two at once would look like a stolen one."""
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
