"""A body as it was sent, and what is inside: sizes are limited before and after it is inflated."""

import zlib

import zstandard

from apps.gateway.auth import RefusedError
from hostagent import protocol


def check_encoding(name: str) -> str:
    """`name` as one of the encodings we read, or RefusedError."""
    known = name.strip().lower() or "identity"
    if known not in protocol.ENCODINGS:
        raise RefusedError(415, "unknown-encoding", "Content-Encoding has to be identity, gzip or zstd.")
    return known


def check_size(size: int) -> None:
    """A body of `size` bytes as sent is not too large, or RefusedError."""
    if size > protocol.MAX_BODY_BYTES:
        raise RefusedError(
            413,
            "too-large",
            f"A body may have {protocol.MAX_BODY_BYTES:,} bytes as sent: send less at a time.",
        )


def inflate(body: bytes, encoding: str, *, limit: int = protocol.MAX_INFLATED_BYTES) -> bytes:
    """The content of `body`. It never takes more memory than `limit`; RefusedError for all else."""
    try:
        content = _READERS[encoding](body, limit)
    except (zlib.error, zstandard.ZstdError, EOFError):
        raise RefusedError(400, "bad-encoding", f"The body is not whole {encoding} data.") from None
    if len(content) > limit:
        raise RefusedError(413, "too-large", f"A body may inflate to {limit:,} bytes: send less at a time.")
    return content


def _plain(body: bytes, limit: int) -> bytes:
    return body


def _gunzipped(body: bytes, limit: int) -> bytes:
    """One gzip member up to just over `limit`; nothing may follow it."""
    reader = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    content = reader.decompress(body, limit + 1)
    if len(content) <= limit and (not reader.eof or reader.unused_data):
        raise EOFError
    return content


def _unzstd(body: bytes, limit: int) -> bytes:
    """One zstd frame up to `limit`; nothing may follow it. A large window would only take memory."""
    size = zstandard.frame_content_size(body)
    if size > limit:
        raise RefusedError(413, "too-large", f"A body may inflate to {limit:,} bytes: send less at a time.")
    if size == 0:
        return b""
    reader = zstandard.ZstdDecompressor(max_window_size=protocol.MAX_BODY_BYTES)
    return reader.decompress(body, max_output_size=limit, allow_extra_data=False)


_READERS = {"identity": _plain, "gzip": _gunzipped, "zstd": _unzstd}
