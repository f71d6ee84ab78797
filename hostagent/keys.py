"""The host's signing key, and the check of what the server signed."""

from __future__ import annotations

import os
from pathlib import Path

from Crypto.PublicKey import ECC
from Crypto.Signature import eddsa

from hostagent.protocol import b64url, unb64url

SEED_BYTES = 32


class HostKey:
    """An Ed25519 key that never leaves this host."""

    def __init__(self, seed: bytes) -> None:
        self._key = ECC.construct(curve="Ed25519", seed=seed)  # type: ignore[arg-type]
        self._signer = eddsa.new(self._key, "rfc8032")

    @property
    def public(self) -> str:
        return b64url(self._key.public_key().export_key(format="raw"))

    def sign(self, data: bytes) -> str:
        return b64url(self._signer.sign(data))


class ServerKey:
    """The server's public key as pinned at enrolment."""

    def __init__(self, public: str) -> None:
        self._verifier = eddsa.new(eddsa.import_public_key(unb64url(public)), "rfc8032")

    def signed(self, data: bytes, signature: str) -> bool:
        """True only if this very key made `signature` over `data`; odd input is a plain False."""
        try:
            self._verifier.verify(data, unb64url(signature))
        except ValueError:
            return False
        return True


def create_key(path: Path) -> HostKey:
    """A fresh key is on disk, readable by its owner alone; an existing key is never overwritten."""
    seed = os.urandom(SEED_BYTES)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(b64url(seed).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    return HostKey(seed)


def load_key(path: Path) -> HostKey:
    """The key at `path`; refused when others than its owner can read it."""
    if path.stat().st_mode & 0o077:
        raise PermissionError(f"{path} is readable by others than its owner: chmod 600 it, or enrol anew")
    seed = unb64url(path.read_text().strip())
    if len(seed) != SEED_BYTES:
        raise ValueError(f"{path} holds no Ed25519 key")
    return HostKey(seed)
