"""Over TLS everything works the same, and a server that cannot show its certificate gets nothing."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hostagent.config import State
from hostagent.enrol import enrol
from tests.hostagent.acting import until
from tests.hostagent.stub import Stub


def certificate(folder: Path, *, address: str) -> tuple[Path, Path]:
    """A certificate that vouches for itself, for one address."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sentinel test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    cert_path, key_path = folder / "cert.pem", folder / "key.pem"
    cert_path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return cert_path, key_path


@pytest.fixture
def stub(tmp_path: Path) -> Any:
    cert, key = certificate(tmp_path, address="127.0.0.1")
    server = Stub(tls=(str(cert), str(key)))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def state(stub: Stub, tmp_path: Path) -> State:
    made = State(tmp_path / "state")
    until(lambda: _enrolled(made, stub, str(tmp_path / "cert.pem")))
    return made


def _enrolled(state: State, stub: Stub, ca_file: str) -> bool:
    try:
        enrol(state, server=stub.url, token="t", ca_file=ca_file)
    except ConnectionError:
        return False
    return True


def test_batches_and_the_bell_come_through_tls(agent: Callable[[], Any], stub: Stub) -> None:
    agent()  # waits for the bell
    assert stub.url.startswith("https://")
    assert stub.wait(lambda: stub.records("heartbeat"))
    assert stub.bad == []


def test_a_certificate_of_somebody_else_ends_it(state: State, stub: Stub, tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        enrol(State(tmp_path / "other"), server=stub.url, token="t")
