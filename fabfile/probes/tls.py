"""The certificate that visitors get, and the TLS versions that the site offers."""

from __future__ import annotations

import contextlib
import socket
import ssl
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import certifi
from cryptography import x509

from ..errors import DeployError, WrongSetting
from ..settings import Public

_NO_CHECK_TIME = ssl.VerifyFlags(0x200000)  # X509_V_FLAG_NO_CHECK_TIME, which ssl does not name
TIMEOUT = 10.0  # seconds for one handshake
VERSIONS = {
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}


@dataclass(frozen=True)
class Certificate:
    """The site's certificate, as a visitor's browser judges it.

    :param names: what it is for.
    :param not_after: when it ends, in UTC.
    :param days_left: whole days until then; negative when it has ended.
    :param verified: chain and name hold with the certificates that we trust.
    :param why: why not, one line; empty when verified.
    :param version: the TLS version that was agreed on, as `TLSv1.3`.
    """

    names: tuple[str, ...]
    issuer: str
    not_after: datetime
    days_left: int
    verified: bool
    why: str
    version: str


class NoHandshake(DeployError):
    """No TLS connection, so there is no certificate to read; one line says why."""

    def __init__(self, host: str, port: int, error: OSError) -> None:
        super().__init__(
            f"no TLS connection to {host}:{port}: {error.strerror or error}",
            next_command="check that nginx runs, its certificate, public.connect and the firewall",
        )


class _NoAgreement(NoHandshake):
    """Something answered there, but no TLS connection came of it."""


def address(public: Public, scheme: str) -> tuple[str, int]:
    """Where to connect: the setting's host:port, else the domain's own port."""
    there = public.connect if scheme == "https" else public.connect_http
    host, _, port = there.rpartition(":")
    return (host.strip("[]"), int(port)) if there else (public.domain, _PORTS[scheme])


_PORTS = {"https": 443, "http": 80}


def trust(public: Public) -> ssl.SSLContext:
    """A context that checks chain and name with the certificates that the settings trust.

    :raises BadSettings: `public.ca_file` cannot be read as certificates.
    """
    path = Path(public.ca_file).expanduser() if public.ca_file else Path(certifi.where())
    try:
        return ssl.create_default_context(cafile=str(path))
    except (OSError, ssl.SSLError) as error:
        raise WrongSetting(
            "public.ca_file",
            public.ca_file,
            "a file of certificates in PEM form",
            found="no certificates" if isinstance(error, ssl.SSLError) else f"{error.strerror}",
        ) from None


def certificate(public: Public) -> Certificate:
    """Read the public site's certificate; once with the check, and without it where that fails.

    :raises NoHandshake: nothing answers there, or it does not speak TLS.
    """
    try:
        with _handshake(public, trust(public)) as connection:
            return _read(connection, why="")
    except ssl.SSLCertVerificationError as error:
        why = error.verify_message or str(error)
    with _handshake(public, _unchecked()) as connection:
        return _read(connection, why)


def chain_problem(public: Public) -> str:
    """Why the chain alone does not hold, whatever the certificate's dates and names; or nothing.

    :raises NoHandshake: nothing answers there, or it does not speak TLS.
    """
    context = trust(public)
    context.check_hostname = False
    context.verify_flags |= _NO_CHECK_TIME
    try:
        with _handshake(public, context):
            return ""
    except ssl.SSLCertVerificationError as error:
        return error.verify_message or str(error)


def covers(names: Sequence[str], domain: str) -> bool:
    """Whether a certificate with these names is one for the domain; `*` stands for one label."""
    parent = domain.lower().partition(".")[2]
    return bool({domain.lower(), f"*.{parent}"} & {name.lower() for name in names})


def supports(public: Public, version: str) -> bool:
    """Whether the site agrees on this TLS version; the certificate does not matter here.

    :param version: `TLSv1`, `TLSv1.1`, `TLSv1.2` or `TLSv1.3`.
    :raises NoHandshake: nothing answers at that address at all.
    """
    context = _unchecked()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # asking for an old one is the point
        # Without this OpenSSL 3 refuses 1.0 and 1.1 on our side and everybody looks safe.
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = VERSIONS[version]
    try:
        with _handshake(public, context):
            return True
    except _NoAgreement:
        return False


@contextlib.contextmanager
def _handshake(public: Public, context: ssl.SSLContext) -> Iterator[ssl.SSLSocket]:
    host, port = address(public, "https")
    try:
        plain = socket.create_connection((host, port), timeout=TIMEOUT)
    except OSError as error:
        raise NoHandshake(host, port, error) from None
    with plain:
        try:
            connection = context.wrap_socket(plain, server_hostname=public.domain)
        except ssl.SSLCertVerificationError:
            raise
        except OSError as error:  # closed, timed out, or something that does not speak TLS
            raise _NoAgreement(host, port, error) from None
        with connection:
            yield connection


def _unchecked() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _read(connection: ssl.SSLSocket, why: str) -> Certificate:
    found = x509.load_der_x509_certificate(connection.getpeercert(binary_form=True) or b"")
    # Asking for the zone-aware property where there is one; it came with cryptography 42.
    end = getattr(found, "not_valid_after_utc", None) or found.not_valid_after.replace(
        tzinfo=timezone.utc
    )
    names: list[str] = []
    with contextlib.suppress(x509.ExtensionNotFound):
        extension = found.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        names = [str(name.value) for name in extension.value]
    return Certificate(
        names=tuple(names) or (found.subject.rfc4514_string(),),
        issuer=found.issuer.rfc4514_string(),
        not_after=end,
        days_left=(end - datetime.now(timezone.utc)).days,
        verified=not why,
        why=why,
        version=connection.version() or "",
    )
