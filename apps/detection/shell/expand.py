"""Words become arguments: what is known is put in for variables and substitutions, the rest stays visible."""

from collections.abc import Callable, Mapping

from apps.detection.shell.lexer import Part

MAX_WORD = 8_192
MAX_BRACES = 64

Substitute = Callable[[str], str | None]


def expand(parts: list[Part], variables: Mapping[str, str], substitute: Substitute) -> list[str]:
    """The arguments one word becomes. What is not known shows as `$NAME` or `$(...)`."""
    fields: list[str] = [""]
    braces = False
    for kind, text, quoted, default in parts:
        if kind == "text":
            fields[-1] += text
            braces = braces or (not quoted and "{" in text)
            continue
        value, known = _value(kind, text, default, variables, substitute)
        if quoted or not known or not any(blank in value for blank in " \t\n"):
            fields[-1] += value
        else:
            _split_into(fields, value)
    if not any(fields) and not any(part.quoted for part in parts):
        return []
    fields = [word[:MAX_WORD] for word in fields if word or len(fields) == 1]
    return [piece for word in fields for piece in _braces(word)] if braces else fields


def _value(
    kind: str, text: str, default: str, variables: Mapping[str, str], substitute: Substitute
) -> tuple[str, bool]:
    """What stands for an expansion, and whether it is its value rather than a sign for it."""
    if kind == "var":
        value = variables.get(text) or (" " if text == "IFS" else default)
        return (value, True) if value else ("$" + text, False)
    known = substitute(text)
    if kind == "proc":
        return f"{default}({text[:200]})", False
    return (known, True) if known is not None else ("$(" + text[:200] + ")", False)


def _split_into(fields: list[str], value: str) -> None:
    words = value.split()
    if value[:1] in " \t\n" and fields[-1]:
        fields.append("")
    if words:
        fields[-1] += words[0]
        fields.extend(words[1:])
    if value[-1:] in " \t\n" and (fields[-1] or not words):
        fields.append("")


def _braces(word: str) -> list[str]:
    """`a{b,c}` is `ab ac`; sequences such as {1..9} stay as they are, a detector wants to see them."""
    start = word.find("{")
    end = word.find("}", start)
    if start < 0 or end < 0 or word[start - 1 : start] == "$" or "," not in word[start:end]:
        return [word]
    choices = word[start + 1 : end].split(",")
    if len(choices) > MAX_BRACES:
        return [word]
    return [word[:start] + choice + word[end + 1 :] for choice in choices]
