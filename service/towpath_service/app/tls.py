"""The certificates of both ports, read again when their files change.

A certificate that can't be used (half written, of another key, missing) is skipped with a line in
the log, and the last usable one stays. The module brings cryptography.
"""

from __future__ import annotations

import logging
import ssl
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from towpath_service.core.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from towpath_service.app.options import TlsFiles

_log = logging.getLogger(__name__)


class _Pem(NamedTuple):
    certificate: bytes
    key: bytes
    client_authority: bytes | None


class Certificates:
    """The certificate of both ports, and the authority of clients' certificates."""

    def __init__(self, files: TlsFiles) -> None:
        """Reads the files.

        Args:
            files: The files.

        Raises:
            ServiceError: TLS_UNUSABLE, with the file that can't be used.
        """
        self._files = files
        self._stamps: tuple[object, ...] = _stamps(files)
        self._pem = _read(files)
        self._refused: object = None
        self._given: _Pem = self._pem
        """What gRPC has."""
        self._giving = threading.Lock()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._load_context()

    def grpc_credentials(self) -> Any:
        """Makes credentials for gRPC, which read changed files at the next handshake."""
        return grpc.dynamic_ssl_server_credentials(
            self._configuration(),
            self._fetch,
            require_client_authentication=self._files.client_authority is not None,
        )

    def look(self) -> bool:
        """Reads the files again if they have changed.

        Returns:
            Whether another certificate is in use now.
        """
        stamps = _stamps(self._files)
        if stamps in {self._stamps, self._refused}:
            return False
        try:
            pem = _read(self._files)
            self._load_context()
        except (ServiceError, OSError) as error:
            # An OSError: the files have changed again since they were read.
            _log.error("%s; the certificate in use stays", error)
            self._refused = stamps
            return False
        self._pem, self._stamps, self._refused = pem, stamps, None
        _log.info("a new certificate is in use")
        return True

    def _fetch(self) -> Any:
        """What gRPC asks for at each handshake: another certificate, or None to keep its own.

        gRPC ends with a segmentation fault when it is given one while others shake hands: in a
        trial after 57 connections. So it is given one as rarely as files change.
        """
        self.look()
        with self._giving:
            if self._given is self._pem:
                return None
            self._given = self._pem
        return self._configuration()

    def _configuration(self) -> Any:
        pem = self._pem
        return grpc.ssl_server_certificate_configuration(
            [(pem.key, pem.certificate)], pem.client_authority
        )

    def _load_context(self) -> None:
        files = self._files
        with _naming(files.certificate):
            self.context.load_cert_chain(files.certificate, files.key)
        if files.client_authority is not None:
            with _naming(files.client_authority):
                self.context.load_verify_locations(files.client_authority)
            self.context.verify_mode = ssl.CERT_REQUIRED


def _stamps(files: TlsFiles) -> tuple[object, ...]:
    return tuple(
        None if path is None else _stamp(path)
        for path in (files.certificate, files.key, files.client_authority)
    )


def _stamp(path: Path) -> object:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


@contextmanager
def _naming(path: Path) -> Generator[None]:
    """Names the file when OpenSSL refuses a well-formed one, such as a key that is too short."""
    try:
        yield
    except ssl.SSLError as error:
        why = (error.reason or str(error)).lower().replace("_", " ")
        raise _unusable(path, f"can't be used for TLS ({why})") from error


def _read(files: TlsFiles) -> _Pem:
    certificate, key = _content(files.certificate), _content(files.key)
    leaf = _certificates(files.certificate, certificate)[0]
    authority = None
    if files.client_authority is not None:
        authority = _content(files.client_authority)
        _certificates(files.client_authority, authority)
    try:
        private = load_pem_private_key(key, None)
    except (ValueError, TypeError):
        raise _unusable(files.key, "holds no key in PEM format, without a password") from None
    if _public(leaf.public_key()) != _public(private.public_key()):
        raise _unusable(files.key, f"isn't the key of {files.certificate}")
    return _Pem(certificate, key, authority)


def _certificates(path: Path, content: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(content)
    except ValueError:
        raise _unusable(path, "holds no certificate in PEM format") from None


def _public(key: Any) -> bytes:
    content: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return content


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unusable(path, f"can't be read: {error.strerror}") from error


def _unusable(path: Path, why: str) -> ServiceError:
    return ServiceError(reason="TLS_UNUSABLE", message=f"{path} {why}: mend it, or name another")
