"""The key that signs content credentials: one's own, or one that is made on this machine at first use.

A key that is made here proves that a file was not changed since it was signed, and that it was signed here. It proves
nothing of who signed: no trust list has it, and whoever checks the file is told so. Each machine has its own, so files
that one key signed can be told to come from one place; who does not want that deletes the file, and the next has a new
key. The chain is a root and an end entity with what the C2PA specification asks of both (*Content Credentials 2.2*,
section 14.5: certificate profile; ITU-T X.509).
"""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import platformdirs
from filelock import FileLock

from mien.core.errors import StorageError, UsageError

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

__all__ = ["SigningKey", "local_key_file", "signing_key"]

_YEARS: Final = 30  # without a time stamp from elsewhere, a signature counts only as long as its certificate
_PATIENCE: Final = 30.0  # seconds for another process to make the key
_CLAIM_SIGNING: Final = "1.3.6.1.4.1.62558.2.1"  # c2pa-kp-claimSigning
_BEGIN: Final = b"-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True)
class SigningKey:
    """A private key and the chain of its certificates.

    Parameters
    ----------
    key : bytes
        PKCS #8 in PEM, without a password.
    chain : bytes
        X.509 certificates in PEM, the key's own first.
    algorithm : str
        C2PA's name: es256, es384, es512, ed25519 or ps256.
    """

    key: bytes = field(repr=False)
    chain: bytes
    algorithm: str

    @classmethod
    def read(cls, key: str | os.PathLike[str], chain: str | os.PathLike[str]) -> SigningKey:
        """A key and its certificates from files in PEM.

        Raises
        ------
        UsageError
            If one cannot be read, needs a password, is of a kind that C2PA does not know, or they do not belong
            together.
        """
        parts = []
        for what, path in (("signing key", key), ("certificates of the signing key", chain)):
            try:
                parts.append(Path(path).read_bytes())
            except (OSError, ValueError) as error:
                raise UsageError(f"the {what} cannot be read from {os.fspath(path)}: {_why(error)}.") from error
        return cls.checked(*parts, name=os.fspath(key))

    @classmethod
    def checked(cls, key: bytes, chain: bytes, *, name: str) -> SigningKey:
        """A key and its certificates in PEM; `name` is what errors call it. Raises as `read`."""
        from cryptography import x509
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives import serialization

        try:
            private = serialization.load_pem_private_key(key, None)
            certificates = x509.load_pem_x509_certificates(chain)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise UsageError(
                f"the signing key {name} is not one that can be used: a key in PEM without a password, and the "
                "certificates of its chain in PEM, are needed."
            ) from error
        if certificates[0].public_key() != private.public_key():
            raise UsageError(f"the first certificate is not that of the signing key {name}.")
        plain = private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return cls(plain, chain, _algorithm(private, name))

    def expired(self) -> bool:
        """Whether its certificate is no longer, or not yet, good."""
        from cryptography import x509

        own = x509.load_pem_x509_certificates(self.chain)[0]
        return not own.not_valid_before_utc <= dt.datetime.now(dt.UTC) < own.not_valid_after_utc


def local_key_file() -> Path:
    """Where the key of this machine stands: ``signing.pem`` in ``MIEN_CONFIG``, else in the user's config folder."""
    return Path(os.environ.get("MIEN_CONFIG") or platformdirs.user_config_dir("mien")) / "signing.pem"


def signing_key() -> SigningKey:
    """The key that signs: that of ``MIEN_SIGNING_KEY`` and ``MIEN_SIGNING_CERT``, else this machine's.

    The machine's is made at first use, in a file that nobody else may read. Several processes make one.

    Raises
    ------
    UsageError
        If one's own key cannot be used.
    StorageError
        If the machine's cannot be written or read.
    """
    key, chain = os.environ.get("MIEN_SIGNING_KEY"), os.environ.get("MIEN_SIGNING_CERT")
    if key or chain:
        if not (key and chain):
            raise UsageError("MIEN_SIGNING_KEY and MIEN_SIGNING_CERT name files that belong together: set both.")
        return SigningKey.read(key, chain)
    path = local_key_file()
    try:
        found = _stored(path)
        if found is None:
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(path.with_suffix(".lock"), timeout=_PATIENCE):
                found = _stored(path) or _keep(path)  # another process may have made it meanwhile
    except OSError as error:
        raise StorageError(
            f"the signing key {path} cannot be written or read: {_why(error)}; set MIEN_CONFIG to another folder, or "
            "MIEN_SIGNING_KEY and MIEN_SIGNING_CERT to a key of your own."
        ) from error
    return found


def _stored(path: Path) -> SigningKey | None:
    """The machine's key; None where there is none, or one that is no longer good."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    key, mark, chain = data.partition(_BEGIN)
    try:
        found = SigningKey.checked(key, mark + chain, name=str(path))
    except UsageError as error:
        raise StorageError(f"the signing key {path} is broken; delete it, and another is made.") from error
    return None if found.expired() else found


def _keep(path: Path) -> SigningKey:
    made = _make()
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    try:
        # For the owner alone from its first moment, not only once it is written.
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(made.key + made.chain)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return made


def _make() -> SigningKey:
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    root, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    point = own.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)
    digest = hashes.Hash(hashes.SHA256())
    digest.update(point)
    name = f"mien local key {digest.finalize().hex()[:8]}"
    pem = serialization.Encoding.PEM
    chain = b"".join(part.public_bytes(pem) for part in _chain(root, own, name))  # the root's key is thrown away
    key = own.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return SigningKey(key, chain, "es256")


def _chain(
    root: ec.EllipticCurvePrivateKey, own: ec.EllipticCurvePrivateKey, name: str
) -> tuple[x509.Certificate, x509.Certificate]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    def called(common: str) -> x509.Name:
        names = ((NameOID.ORGANIZATION_NAME, "mien (local key)"), (NameOID.COMMON_NAME, common))
        return x509.Name([x509.NameAttribute(kind, text) for kind, text in names])

    def begun(of: ec.EllipticCurvePrivateKey, common: str) -> x509.CertificateBuilder:
        start = dt.datetime.now(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return (
            x509.CertificateBuilder(called(above), called(common), of.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start - dt.timedelta(days=1))  # clocks differ
            .not_valid_after(start + dt.timedelta(days=365 * _YEARS))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(of.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root.public_key()), critical=False)
        )

    above = f"{name} root"
    uses = [ExtendedKeyUsageOID.EMAIL_PROTECTION, x509.ObjectIdentifier(_CLAIM_SIGNING)]
    authority = (
        begun(root, above)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
    )
    entity = (
        begun(own, name)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
    )
    return entity.sign(root, hashes.SHA256()), authority.sign(root, hashes.SHA256())


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _algorithm(private: object, name: str) -> str:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(private, ec.EllipticCurvePrivateKey) and private.curve.name in _CURVES:
        return _CURVES[private.curve.name]
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(private, rsa.RSAPrivateKey):
        return "ps256"
    raise UsageError(
        f"the signing key {name} is of a kind that content credentials do not take: EC P-256/384/521, Ed25519 or RSA."
    )


_CURVES: Final = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}


def _why(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error).lower()
