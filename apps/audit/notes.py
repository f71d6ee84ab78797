"""Signed notes (C2SP signed-note): a text, and below it the signature of this installation's audit key."""

import base64
import hashlib

from apps.core import keys

KEY = "audit"
_ED25519 = b"\x01"


def origin() -> str:
    """The name of this installation's trail and of its key: no two installations share one."""
    return f"sentinel/audit/{hashlib.sha256(_public()).hexdigest()[:16]}"


def signed(text: str) -> str:
    """`text` (whole lines, none of them empty) with the signature line below it."""
    if not text.endswith("\n") or "" in text[:-1].split("\n"):
        raise ValueError("a note is made of whole lines, none of them empty")
    signature = keys.signing_key(KEY).sign(text.encode())
    line = base64.b64encode(bytes.fromhex(key_id()) + signature).decode()
    return f"{text}\n\u2014 {origin()} {line}\n"


def verifier_key() -> str:
    """What a reader needs to check a note: name, key id and public key in one word."""
    return f"{origin()}+{key_id()}+{base64.b64encode(_ED25519 + _public()).decode()}"


def key_id() -> str:
    """The four bytes, as hex, that stand before every signature."""
    return hashlib.sha256(origin().encode() + b"\n" + _ED25519 + _public()).digest()[:4].hex()


def _public() -> bytes:
    return keys.signing_key(KEY).public_key().public_bytes_raw()
