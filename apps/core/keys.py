"""Ed25519 keys of this server, made on first use and kept at 0600 under `SENTINEL_HOME/keys`."""

import base64
import contextlib
import hashlib
import os
from functools import lru_cache
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.conf import settings


def token_digest(text: str) -> str:
    """What is kept of a token: it has 256 random bits, so one round of SHA-256 is enough."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def b64(raw: bytes) -> str:
    """base64url without padding, as keys and signatures travel."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    """The bytes of `b64` text. Raises ValueError on anything else."""
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


@lru_cache(maxsize=8)
def _private(path: Path) -> Ed25519PrivateKey:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = path.with_suffix(f".{os.getpid()}")
        part.touch(mode=0o600)
        part.write_bytes(Ed25519PrivateKey.generate().private_bytes_raw())
        with contextlib.suppress(FileExistsError):  # two processes may start at once: the first link wins
            os.link(part, path)
        part.unlink()
    return Ed25519PrivateKey.from_private_bytes(path.read_bytes())


def signing_key(name: str) -> Ed25519PrivateKey:
    """The private key `name` (`server` signs orders, `audit` signs checkpoints)."""
    return _private(settings.KEYS_DIR / f"{name}.key")


def public_key(name: str) -> str:
    """The public half of `name`, as text."""
    return b64(signing_key(name).public_key().public_bytes_raw())


def sign(name: str, message: bytes) -> str:
    """The signature of `message` by key `name`, as text."""
    return b64(signing_key(name).sign(message))


def verified(public: bytes, signature: str, message: bytes) -> bool:
    """Whether `signature` over `message` was made by the holder of `public` (32 bytes)."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(unb64(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True
