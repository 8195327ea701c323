"""A certificate authority of the lab's own, and what it issues."""

from __future__ import annotations

import datetime as dt
import fcntl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lab.places import STATE

Key = ec.EllipticCurvePrivateKey


@dataclass(frozen=True)
class Issuer:
    """A certificate that signs others, with its key."""

    certificate: x509.Certificate
    key: Key


@dataclass(frozen=True)
class Issued:
    """What nginx wants: the leaf with its intermediate, and the leaf's key."""

    fullchain: str
    private_key: str
    not_after: dt.datetime


def issue(
    domain: str,
    days: int = 90,
    *,
    starts: dt.datetime | None = None,
    alternatives: tuple[str, ...] = (),
    state: Path = STATE,
) -> Issued:
    """Issue a certificate for a domain, signed by the lab's intermediate.

    :param days: how long it is good for from now; a negative number has expired already
    :param starts: the first moment of its life; the default is an hour, or 90 days, before its end
    :param alternatives: further names on it
    """
    _, intermediate = authority(state)
    now = dt.datetime.now(dt.timezone.utc)
    ends = now + dt.timedelta(days=days)
    begins = starts or min(now, ends - dt.timedelta(days=90)) - dt.timedelta(hours=1)
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.DNSName(name) for name in (domain, *alternatives)]
    certificate = (
        _builder(domain, key, intermediate.certificate.subject, begins, ends)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(_signed_by(intermediate.key), critical=False)
        .sign(intermediate.key, hashes.SHA256())
    )
    return Issued(_text(certificate) + _text(intermediate.certificate), _key_text(key), ends)


def authority(state: Path = STATE) -> tuple[Issuer, Issuer]:
    """The root and the intermediate, made once; clients trust `ca.pem` alone."""
    root_path, middle_path = state / "ca.pem", state / "intermediate.pem"
    state.mkdir(exist_ok=True)
    with (state / "ca.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)  # several processes may want it first at once
        if not (root_path.exists() and middle_path.exists()):
            root = _make_issuer("1001 Stories lab root", None)
            _keep(root_path, root)
            _keep(middle_path, _make_issuer("1001 Stories lab intermediate", root))
        return _load(root_path), _load(middle_path)


def _make_issuer(name: str, parent: Issuer | None) -> Issuer:
    key = ec.generate_private_key(ec.SECP256R1())
    now = dt.datetime.now(dt.timezone.utc)
    subject = parent.certificate.subject if parent else _name(name)
    signer = parent.key if parent else key
    usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
    begins, ends = now - dt.timedelta(days=400), now + dt.timedelta(days=3650)
    certificate = (
        _builder(name, key, subject, begins, ends)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0 if parent else 1), True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(_signed_by(signer), critical=False)
        .sign(signer, hashes.SHA256())
    )
    return Issuer(certificate, key)


def _builder(
    name: str, key: Key, issuer: x509.Name, begins: dt.datetime, ends: dt.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
    )


def _signed_by(key: Key) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _text(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_text(key: Key) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def _keep(path: Path, issuer: Issuer) -> None:
    key_path = path.with_suffix(".key")
    key_path.touch(mode=0o600)
    key_path.write_text(_key_text(issuer.key))
    path.write_text(_text(issuer.certificate))


def _load(path: Path) -> Issuer:
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    key = serialization.load_pem_private_key(path.with_suffix(".key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return Issuer(certificate, key)
