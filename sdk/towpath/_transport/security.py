"""Secures connections by TLS, and refuses to send credentials over others."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

from towpath.exceptions import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from towpath._settings.declared import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """Files in PEM format for connections over TLS."""

    ca_file: Path | None = None
    """Authorities that are trusted for servers' certificates; None for public ones."""
    client_certificate: Path | None = None
    client_key: Path | None = None

    def pem(self) -> tuple[bytes | None, bytes | None, bytes | None]:
        """Reads the authorities, the client's key and its certificate.

        Raises:
            ConfigurationError: One can't be read, or is missing.
        """
        if (self.client_certificate is None) != (self.client_key is None):
            # gRPC ends the process if one is given without the other.
            raise ConfigurationError("server.client_cert and server.client_key belong together")
        return (
            _read(self.ca_file, "server.ca_file"),
            _read(self.client_key, "server.client_key"),
            _read(self.client_certificate, "server.client_cert"),
        )

    def context(self) -> ssl.SSLContext:
        """Makes a context for the standard library; raises as `pem`."""
        self.pem()
        try:
            context = ssl.create_default_context(cafile=_text(self.ca_file))
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if self.client_certificate is not None:
                context.load_cert_chain(self.client_certificate, _text(self.client_key))
        except OSError as error:  # ssl.SSLError among them
            raise ConfigurationError(
                f"server.ca_file, server.client_cert or server.client_key is no certificate or key"
                f" in PEM format: {getattr(error, 'reason', None) or error.strerror}"
            ) from error
        return context


def tls_of(settings: Settings, address: str, *, announced: bool = False) -> Tls | None:
    """Returns the files for TLS with a server; None for plain text.

    Args:
        settings: The current settings.
        address: "host:port".
        announced: Whether the server has announced that it speaks TLS.
    """
    wanted = settings.server_tls
    if wanted == "off":
        return None
    plain = not announced and settings.server_ca_file is None
    if wanted == "auto" and plain and (is_local(address) or not settings.has_credentials):
        return None
    return Tls(
        ca_file=settings.server_ca_file,
        client_certificate=settings.server_client_cert,
        client_key=settings.server_client_key,
    )


def refuse_plaintext_credentials(address: str) -> None:
    """Refuses to send a key over the network in plain text.

    Raises:
        ConfigurationError: The address isn't this machine's.
    """
    if not is_local(address):
        raise ConfigurationError(
            f"{address} would get your credentials over the network in plain text: unset"
            ' server.tls (or set it to "on"), and if the server has a certificate of its own,'
            " name its authority with server.ca_file"
        )


def tls_trouble(text: str, *, secure: bool) -> str:
    """Returns why client and server can't agree on TLS; empty for another kind of error.

    Args:
        text: The transport's error.
        secure: Whether the client speaks TLS.
    """
    said = text.lower()
    if "certificate_verify_failed" in said or "certificate verify failed" in said:
        return (
            "its certificate isn't from an authority this client trusts, has expired, or is for"
            " another name: name its authority with server.ca_file (TOWPATH_SERVER_CA_FILE)"
        )
    if "hostname" in said and ("mismatch" in said or "verif" in said or "check" in said):
        return "its certificate is for another name: set server.address to the name that is in it"
    if secure and ("wrong_version_number" in said or "wrong version number" in said):
        return 'it speaks plain text, this client TLS: set server.tls (TOWPATH_SERVER_TLS) to "off"'
    if not secure and "failed to connect" in said and "socket closed" in said:
        return 'it speaks TLS, or is no Towpath server: set server.tls (TOWPATH_SERVER_TLS) to "on"'
    if secure and ("certificate_required" in said or "certificate required" in said):
        return "it asks for a certificate of yours: set server.client_cert and server.client_key"
    return ""


def is_local(address: str) -> bool:
    """Whether "host:port" is this machine."""
    host = address.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        found = ip_address(host)
    except ValueError:
        return False
    # Before Python 3.13, a mapped address doesn't have the properties of the one that it carries.
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback


def _read(path: Path | None, setting: str) -> bytes | None:
    if path is None:
        return None
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"{setting}: {path} can't be read: {error.strerror}. Bring it back, or set another"
        ) from error
    if not content.strip():
        raise ConfigurationError(f"{setting}: {path} is empty. Fill it again, or set another")
    return content


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
