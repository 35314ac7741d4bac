"""Certificates of the ports: what can't be used is named, and never takes the place of what can."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import grpc
import pytest
from towpath_service.app.options import TlsFiles
from towpath_service.app.tls import Certificates
from towpath_service.core.errors import ServiceError

from tests.scenarios.certificates import Authority

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "pki")


def files_of(authority: Authority, client_authority: Path | None = None) -> TlsFiles:
    pair = authority.sign("server")
    return TlsFiles(certificate=pair.certificate, key=pair.key, client_authority=client_authority)


@pytest.mark.parametrize(
    "content",
    [
        "nonsense",
        "",
        "-----BEGIN CERTIFICATE-----\nbm9uc2Vuc2U=\n-----END CERTIFICATE-----\n",
    ],
)
def test_an_authority_that_is_none_is_named(
    authority: Authority, tmp_path: Path, content: str
) -> None:
    garbage = tmp_path / "clients.pem"
    garbage.write_text(content)
    with pytest.raises(ServiceError) as refused:
        Certificates(files_of(authority, garbage))
    assert refused.value.reason == "TLS_UNUSABLE"
    assert refused.value.message.startswith(f"{garbage} holds no certificate in PEM format")


def test_an_authority_that_isnt_there_is_named(authority: Authority, tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="nowhere") as refused:
        Certificates(files_of(authority, tmp_path / "nowhere.pem"))
    assert refused.value.reason == "TLS_UNUSABLE"


def test_what_openssl_refuses_is_named(authority: Authority) -> None:
    weak = authority.sign("weak", weak=True)
    with pytest.raises(ServiceError, match="key too small") as refused:
        Certificates(TlsFiles(certificate=weak.certificate, key=weak.key))
    assert refused.value.reason == "TLS_UNUSABLE"
    assert refused.value.message.startswith(str(weak.certificate))


def test_an_authority_that_becomes_garbage_is_passed_over(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    files = files_of(authority, authority.file)
    certificates = Certificates(files)
    trusted = certificates.context.get_ca_certs()
    authority.file.write_text("nonsense, not yet written to its end")
    with caplog.at_level(logging.ERROR):
        assert not certificates.look()
    assert "the certificate in use stays" in caplog.text
    assert certificates.context.get_ca_certs() == trusted


def test_grpc_is_given_a_certificate_once_however_many_shake_hands(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It doesn't survive to be given one at each handshake."""
    asked: list[Callable[[], object]] = []
    monkeypatch.setattr(
        grpc,
        "dynamic_ssl_server_credentials",
        lambda _, fetch, **__: asked.append(fetch),
    )
    files = files_of(authority)
    certificates = Certificates(files)
    certificates.grpc_credentials()
    [fetch] = asked
    assert [fetch(), fetch()] == [None, None]
    other = Authority(tmp_path / "other").sign("server")
    files.certificate.write_bytes(other.certificate.read_bytes())
    files.key.write_bytes(other.key.read_bytes())
    # Another part of the server may notice the change before gRPC asks.
    assert certificates.look()
    assert [given is not None for given in (fetch(), fetch(), fetch())] == [True, False, False]
