"""The little of a pipeline that can be worked out from its text: literals through decoders, nothing else."""

import base64
import binascii
import codecs
import zlib
from collections.abc import Callable

from apps.detection.shell.model import Command, Pipeline, Redirect, Script
from apps.detection.shell.quoting import backslashes

MAX_OUTPUT = 16_384


def output_of(stages: Pipeline) -> str | None:
    """The standard output of a pipeline of literals and decoders, or None when it cannot be known."""
    value: str | None = None
    for stage in stages:
        if len(stage) != 1:
            return None
        value = _output(stage[0], value)
        if value is None:
            return None
    return value


def feed(stages: Pipeline, script: Script) -> None:
    """Each command is told the text on its standard input, and files written with known text are noted."""
    value: str | None = None
    decoded = False
    for stage in stages:
        if len(stage) != 1:
            value = None
            for command in stage:
                _take_body(command)
            continue
        command = stage[0]
        _take_body(command)
        if command.stdin is None and value is not None:
            command.stdin, command.stdin_decoded = value, decoded
        decoded = decoded or _program(command) in _DECODERS
        value = _output(command, command.stdin)
        for redirect in command.redirects:
            if redirect.op in (">", ">>", ">|") and redirect.fd in ("", "1") and value is not None:
                script.written[redirect.target] = (script.written.get(redirect.target, "") + value)[
                    :MAX_OUTPUT
                ]
        if _program(command) == "tee" and value is not None:
            for name in command.argv[1:]:
                script.written[name] = value


def _take_body(command: Command) -> None:
    for redirect in command.redirects:
        if redirect.body is not None:
            command.stdin = redirect.body
        elif redirect.op == "<" and redirect.target.startswith("<("):
            command.stdin = None


def _program(command: Command) -> str:
    return command.argv[0].rpartition("/")[2] if command.argv else ""


def _output(command: Command, stdin: str | None) -> str | None:
    program, args = _program(command), command.argv[1:]
    if program == "echo":
        return _echo(args)
    if program == "printf":
        return _printf(args)
    if any("$" in argument for argument in args):
        return None
    if (program == "which" and args) or (args[:1] == ("-v",) and program == "command"):
        return args[-1]  # a program's path, for whoever calls it: its name will do
    if program in ("cat", "tee"):
        return stdin if program == "tee" or not [a for a in args if a != "-"] else None
    decoder = _DECODERS.get(program)
    if decoder is None or stdin is None:
        return None
    try:
        return decoder(stdin, args)
    except (ValueError, binascii.Error, zlib.error, UnicodeError):
        return None


def _echo(args: tuple[str, ...]) -> str:
    escapes = False
    while args and args[0][:1] == "-" and args[0][1:] and not args[0][1:].strip("neE"):
        escapes = escapes or "e" in args[0]
        args = args[1:]
    text = " ".join(args)
    return (backslashes(text) if escapes else text)[:MAX_OUTPUT]


def _printf(args: tuple[str, ...]) -> str | None:
    args = args[1:] if args[:1] == ("--",) else args
    if not args:
        return None
    template, values = args[0], args[1:]
    if values and template.replace("\\n", "") in ("%s", "%b"):
        text = ("\n" if "\\n" in template else "").join(values)
        return (backslashes(text) if "%b" in template else text)[:MAX_OUTPUT]
    return None if values else backslashes(template)[:MAX_OUTPUT]


def _raw(text: str) -> bytes:
    return text.encode("latin-1", "surrogateescape")


def _text(data: bytes) -> str:
    return (
        data[:MAX_OUTPUT].decode("latin-1")
        if b"\x00" in data
        else data[:MAX_OUTPUT].decode("utf-8", "replace")
    )


def decode_base64(text: str) -> str:
    """Base64 as lenient as the tools: blanks and lost padding do not matter."""
    packed = "".join(text.split()).replace("-", "+").replace("_", "/").rstrip("=")
    return _binary(base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True))


def _binary(data: bytes) -> str:
    """Compressed data keeps its bytes (one character each), so that the next stage can inflate it."""
    return data.decode("latin-1") if data[:2] in (b"\x1f\x8b", b"\x78\x9c", b"\x78\xda") else _text(data)


def _base64(text: str, args: tuple[str, ...]) -> str | None:
    decoding = any(a in ("--decode", "-D") or (a[:1] == "-" and a[1:2] != "-" and "d" in a) for a in args)
    return decode_base64(text) if decoding else None


def _openssl(text: str, args: tuple[str, ...]) -> str | None:
    return (
        decode_base64(text)
        if "-d" in args and ("base64" in args or "-base64" in args or "-a" in args)
        else None
    )


def _xxd(text: str, args: tuple[str, ...]) -> str | None:
    return (
        _text(bytes.fromhex("".join(text.split())))
        if "-r" in args or "-rp" in args or "-pr" in args
        else None
    )


def _inflate(text: str, args: tuple[str, ...]) -> str | None:
    return _text(zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(_raw(text), MAX_OUTPUT))


def _rev(text: str, args: tuple[str, ...]) -> str:
    return "\n".join(line[::-1] for line in text.split("\n"))


def _gzip(text: str, args: tuple[str, ...]) -> str | None:
    return _inflate(text, args) if any(a[:1] == "-" and "d" in a for a in args) else None


def _tr(text: str, args: tuple[str, ...]) -> str | None:
    """Only the rot13 that hides a command; anything else is not worth guessing."""
    joined = "".join(args).lower()
    return codecs.decode(text, "rot13") if "n-za-m" in joined else None


_DECODERS: dict[str, Callable[[str, tuple[str, ...]], str | None]] = {
    "base64": _base64,
    "openssl": _openssl,
    "xxd": _xxd,
    "gunzip": _inflate,
    "zcat": _inflate,
    "gzip": _gzip,
    "rev": _rev,
    "tr": _tr,
}

__all__ = ["Redirect", "decode_base64", "feed", "output_of"]
