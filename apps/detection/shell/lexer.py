"""Text to tokens in one pass: words (as parts still to be expanded), operators, redirections."""

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from apps.detection.shell.quoting import ansi_c, closing_brace, closing_paren


class Part(NamedTuple):
    """A piece of a word: literal text, a variable, or text that a shell would run."""

    kind: str  # text | var | sub (command substitution) | proc (process substitution)
    text: str
    quoted: bool
    default: str = ""


@dataclass(slots=True)
class Token:
    """`kind`: word | op | redir. A redirection's operand is the word that follows it."""

    kind: str
    text: str = ""
    parts: list[Part] = field(default_factory=list)
    glued: bool = False  # no blank before it
    body: str | None = None

    @property
    def bare(self) -> str | None:
        """The text of a word without any quoting or expansion, else None: only those can be keywords."""
        if (
            self.kind == "word"
            and len(self.parts) == 1
            and self.parts[0][0] == "text"
            and not self.parts[0][2]
        ):
            return self.parts[0].text
        return None


_PLAIN = re.compile(r"[^ \t\r\n'\"\\$`;&|()<>]+")  # the shell's blanks, not Unicode's
_REDIRECT = re.compile(
    r"(\d{0,4}|\{[A-Za-z_]\w{0,30}\})(<<<|<<-|<<|<>|<&|>&|>>|>\||<(?!\()|>(?!\())|(&>>|&>)"
)
_OPERATOR = re.compile(r";;&|;;|;&|&&|\|\||\|&|[;&|()\n]")
_VARIABLE = re.compile(r"\$(?:([A-Za-z_]\w*)|([0-9@*#?$!-]))")
_BRACED = re.compile(r"[!#]?([A-Za-z_]\w*|[0-9@*#?$!-])(?::?[-=](.*))?", re.DOTALL)
_DOUBLE_STOP = re.compile(r"[\"\\$`]")


class Lexer:
    """One text being read; every method moves `at` forward or ends."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.tokens: list[Token] = []
        self.pending: list[tuple[Token, bool]] = []  # here-documents whose body starts at the next line
        self.arithmetic_open = True  # False once no "))" is left, so it is not searched for again

    def run(self) -> list[Token]:
        """All tokens of the text."""
        text, size = self.text, len(self.text)
        while self.at < size:
            char = text[self.at]
            if char in " \t\r":
                self.at += 1
            elif char == "\\" and text.startswith("\n", self.at + 1):
                self.at += 2
            elif char == "#" and (self.at == 0 or text[self.at - 1] in " \t\n;&|("):
                end = text.find("\n", self.at)
                self.at = size if end < 0 else end
            else:
                self._token(char)
        return self.tokens

    def _token(self, char: str) -> None:
        glued = self.at > 0 and self.text[self.at - 1] not in " \t\n"
        if char in "0123456789<>&{" and (redirect := _REDIRECT.match(self.text, self.at)):
            self.at = redirect.end()
            self._redirect(redirect.group(1) or "", redirect.group(2) or redirect.group(3), glued)
        elif char == "(" and self._arithmetic():
            return
        elif char in ";&|()\n":
            operator = _OPERATOR.match(self.text, self.at)
            assert operator is not None  # noqa: S101 - the class above is what it matches
            self.at = operator.end()
            self.tokens.append(Token("op", operator.group(), glued=glued))
            if char == "\n" and self.pending:
                self._here_documents()
        else:
            self.tokens.append(Token("word", parts=self._word(), glued=glued))

    def _redirect(self, fd: str, op: str, glued: bool) -> None:
        token = Token("redir", op, glued=glued, body=fd)
        self.tokens.append(token)
        if op in ("<<", "<<-"):
            while self.at < len(self.text) and self.text[self.at] in " \t":
                self.at += 1
            parts = self._word() if self.at < len(self.text) and self.text[self.at] not in "\n;&|()<>" else []
            operand = Token("word", parts=parts)
            self.tokens.append(operand)
            self.pending.append((operand, op == "<<-"))

    def _arithmetic(self) -> bool:
        """`((...))` is one opaque word."""
        if not self.arithmetic_open or not self.text.startswith("((", self.at):
            return False
        end = self.text.find("))", self.at)
        if end < 0:
            self.arithmetic_open = False
            return False
        self.tokens.append(Token("word", parts=[Part("text", self.text[self.at : end + 2], True)]))
        self.at = end + 2
        return True

    def _here_documents(self) -> None:
        for operand, dashed in self.pending:
            delimiter = "".join(part.text for part in operand.parts)
            lines: list[str] = []
            while self.at < len(self.text):
                end = self.text.find("\n", self.at)
                end = len(self.text) if end < 0 else end
                line = self.text[self.at : end]
                self.at = end + 1
                if (line.lstrip("\t") if dashed else line).rstrip("\r") == delimiter:
                    break
                lines.append(line)
            operand.body = "\n".join(lines)
        self.pending.clear()

    def _word(self) -> list[Part]:
        parts: list[Part] = []
        text, size = self.text, len(self.text)
        while self.at < size:
            char = text[self.at]
            if plain := _PLAIN.match(text, self.at):
                parts.append(Part("text", plain.group(), False))
                self.at = plain.end()
            elif char == "'":
                end = text.find("'", self.at + 1)
                end = size if end < 0 else end
                parts.append(Part("text", text[self.at + 1 : end], True))
                self.at = end + 1
            elif char == '"':
                self.at += 1
                self._double_quoted(parts)
            elif char == "\\":
                if not text.startswith("\n", self.at + 1):
                    parts.append(Part("text", text[self.at + 1 : self.at + 2], True))
                self.at += 2
            elif char in "$`":
                self._expansion(parts, quoted=False)
            elif char in "<>" and text.startswith("(", self.at + 1):
                end = closing_paren(text, self.at + 2)
                parts.append(Part("proc", text[self.at + 2 : end], False, char))
                self.at = end + 1
            else:
                break
        return parts

    def _double_quoted(self, parts: list[Part]) -> None:
        text, size = self.text, len(self.text)
        start_of_word = len(parts)
        while self.at < size:
            stop = _DOUBLE_STOP.search(text, self.at)
            end = stop.start() if stop else size
            if end > self.at:
                parts.append(Part("text", text[self.at : end], True))
            self.at = end
            if end == size:
                break
            char = text[end]
            if char == '"':
                self.at += 1
                break
            if char == "\\":
                following = text[end + 1 : end + 2]
                if following != "\n":
                    parts.append(Part("text", following if following in '"\\$`' else "\\" + following, True))
                self.at += 2
            else:
                self._expansion(parts, quoted=True)
        if len(parts) == start_of_word:
            parts.append(Part("text", "", True))  # "" is an argument too

    def _expansion(self, parts: list[Part], *, quoted: bool) -> None:
        text, at = self.text, self.at
        if text[at] == "`":
            end = text.find("`", at + 1)
            end = len(text) if end < 0 else end
            parts.append(Part("sub", text[at + 1 : end].replace("\\`", "`"), quoted))
            self.at = end + 1
        elif text.startswith("$((", at) and (end := text.find("))", at)) >= 0:
            parts.append(Part("text", text[at : end + 2], True))
            self.at = end + 2
        elif text.startswith("$(", at):
            end = closing_paren(text, at + 2)
            parts.append(Part("sub", text[at + 2 : end], quoted))
            self.at = end + 1
        elif text.startswith("${", at):
            end = closing_brace(text, at + 2)
            braced = _BRACED.match(text[at + 2 : end])
            name, default = (braced.group(1), braced.group(2) or "") if braced else ("", "")
            parts.append(Part("var", name, quoted, default))
            self.at = end + 1
        elif text.startswith("$'", at) and not quoted:
            value, self.at = ansi_c(text, at + 2)
            parts.append(Part("text", value, True))
        elif text.startswith('$"', at) and not quoted:
            self.at += 1
        elif variable := _VARIABLE.match(text, at):
            parts.append(Part("var", variable.group(1) or variable.group(2), quoted))
            self.at = variable.end()
        else:
            parts.append(Part("text", "$", quoted))
            self.at += 1
