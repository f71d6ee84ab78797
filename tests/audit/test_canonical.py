"""The verifier's own arithmetic is the one that libraries do."""

import json

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.audit import chain, notes, verify

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=6),
    max_leaves=25,
)


@given(PLAIN)
@settings(max_examples=400, deadline=None)
def test_canonical_bytes_are_those_of_rfc_8785(value: object) -> None:
    assert verify.canonical(value) == rfc8785.dumps(value)
    assert verify.parsed(json.dumps(value)) == value


def test_keys_are_ordered_by_utf_16_code_units() -> None:
    value = {"\ufb33": 1, "\U0001f600": 2, "\u20ac": 3, "\r": 4, "1": 5, "\x80": 6, "\xf6": 7}
    assert list(json.loads(verify.canonical(value))) == [
        "\r",
        "1",
        "\x80",
        "\xf6",
        "\u20ac",
        "\U0001f600",
        "\ufb33",
    ]
    assert verify.canonical(value) == rfc8785.dumps(value)


def test_the_verifier_carries_the_same_lines_as_the_chain() -> None:
    assert (verify.FIELDS, verify.DOMAIN, verify.GENESIS) == (chain.FIELDS, chain.DOMAIN, chain.GENESIS)


@given(st.binary(max_size=200), st.integers(0, 511))
@settings(max_examples=25, deadline=None)
def test_its_signature_check_agrees_with_the_library(message: bytes, flipped: int) -> None:
    key = Ed25519PrivateKey.generate()
    public, signature = key.public_key().public_bytes_raw(), key.sign(message)
    wrong = bytearray(signature)
    wrong[flipped // 8] ^= 1 << flipped % 8
    assert verify.signed(public, signature, message)
    assert not verify.signed(public, bytes(wrong), message)
    assert not verify.signed(public, signature, message + b"x")
    assert not verify.signed(Ed25519PrivateKey.generate().public_key().public_bytes_raw(), signature, message)


@pytest.mark.parametrize(
    ("public", "signature"), [(b"", b""), (b"\xff" * 32, b"\xff" * 64), (b"\x02" * 32, b"\x00" * 64)]
)
def test_nonsense_is_no_signature(public: bytes, signature: bytes) -> None:
    assert not verify.signed(public, signature, b"")


def test_a_note_from_the_specification_of_signed_notes_is_read() -> None:
    """The example of the Go implementation, made by another hand than ours."""
    key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    note = (
        "If you think cryptography is the answer to your problem,\n"
        "then you don't know what your problem is.\n\n"
        "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUg"
        "YN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
    )
    assert len(verify.opened(note, key)) == 2
    with pytest.raises(ValueError, match="no signature"):
        verify.opened(note.replace("answer", "Answer"), key)


def test_a_note_of_ours_is_opened_with_our_key_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    note, key = notes.signed("sentinel/x\n1\n"), notes.verifier_key()
    assert verify.opened(note, key) == ["sentinel/x", "1"]
    monkeypatch.setattr("apps.audit.notes.KEY", "another")
    with pytest.raises(ValueError, match="no signature"):
        verify.opened(note, notes.verifier_key())


def test_a_note_cannot_carry_an_empty_line() -> None:
    with pytest.raises(ValueError, match="whole lines"):
        notes.signed("a\n\nb\n")
