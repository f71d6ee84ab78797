"""Finding where a quoted or bracketed piece of shell text ends. A missing end is the end of the text."""

import re

_PAREN_STOP = re.compile(r"[()'\"\\`]")
_BRACE_STOP = re.compile(r"[{}\\]")
_ANSI = re.compile(
    r"\\(?:x([0-9A-Fa-f]{1,2})|([0-7]{1,3})|u([0-9A-Fa-f]{1,4})|U([0-9A-Fa-f]{1,8})|(.))|'", re.DOTALL
)
_ESCAPES = {
    "n": "\n",
    "t": "\t",
    "r": "\r",
    "a": "\a",
    "b": "\b",
    "e": "\x1b",
    "E": "\x1b",
    "f": "\f",
    "v": "\v",
}


def closing_paren(text: str, at: int) -> int:
    """Index of the ")" that closes a "(" just before `at`, quotes respected."""
    depth = 1
    while stop := _PAREN_STOP.search(text, at):
        char, at = stop.group(), stop.end()
        if char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
            if depth == 0:
                return stop.start()
        elif char == "\\":
            at += 1
        else:
            at = _after_quote(text, at, char)
    return len(text)


def _after_quote(text: str, at: int, quote: str) -> int:
    while (end := text.find(quote, at)) >= 0:
        if quote == "'" or text[end - 1] != "\\":
            return end + 1
        at = end + 1
    return len(text)


def closing_brace(text: str, at: int) -> int:
    """Index of the "}" that closes a "{" just before `at`."""
    depth = 1
    while stop := _BRACE_STOP.search(text, at):
        at = stop.end()
        if stop.group() == "{":
            depth += 1
        elif stop.group() == "}":
            depth -= 1
            if depth == 0:
                return stop.start()
        else:
            at += 1
    return len(text)


def unescape(match: re.Match[str]) -> str:
    """The character that one backslash sequence stands for."""
    hexa, octal, short, long, plain = match.groups()
    code = hexa or short or long
    if code:
        number = int(code, 16)
        return chr(number) if number < 0x110000 and not 0xD800 <= number < 0xE000 else ""
    if octal:
        return chr(int(octal, 8) & 0xFF)
    return _ESCAPES.get(plain, plain if plain in "\\'\"?" else "\\" + plain)


def ansi_c(text: str, at: int) -> tuple[str, int]:
    r"""The value of a $'...' string whose content starts at `at`, and the index after it."""
    out: list[str] = []
    while stop := _ANSI.search(text, at):
        out.append(text[at : stop.start()])
        at = stop.end()
        if stop.group() == "'":
            return "".join(out), at
        out.append(unescape(stop))
    return "".join([*out, text[at:]]), len(text)


def backslashes(text: str) -> str:
    """What `echo -e` and printf make of a text."""
    return _ANSI.sub(lambda match: "'" if match.group() == "'" else unescape(match), text)
