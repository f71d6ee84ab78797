"""Tokens to simple commands: one pass over the tokens with a stack of open compounds."""

import re
from dataclasses import dataclass, field

from apps.detection.shell.evaluate import feed, output_of
from apps.detection.shell.expand import expand
from apps.detection.shell.lexer import Lexer, Part, Token
from apps.detection.shell.model import (
    MAX_COMMANDS,
    MAX_DEPTH,
    Command,
    Loop,
    Pipeline,
    Redirect,
    Script,
    clip,
)

_ASSIGN = re.compile(r"([A-Za-z_]\w*)(?:\[[^\]]*\])?\+?=")
_DECLARE = frozenset({"export", "declare", "local", "readonly", "typeset"})
_OPENERS = {
    "if": "if",
    "case": "case",
    "while": "while",
    "until": "until",
    "for": "for",
    "select": "for",
    "{": "{",
}
_CLOSERS = {"done": ("while", "until", "for"), "fi": ("if",), "esac": ("case",), "}": ("{",)}
_PASSED_OVER = frozenset({"do", "then", "else", "elif", "!", "time", "coproc"})
_MAX_FRAMES = 200


@dataclass(slots=True)
class _Frame:
    kind: str
    commands: list[Command] = field(default_factory=list)  # everything inside
    stages: Pipeline = field(default_factory=list)
    stage: list[Command] = field(default_factory=list)
    loop: Loop | None = None
    awaiting: str = ""  # what a for or case header still lacks: "name" | "in" | "values"


def parse(text: str, variables: dict[str, str] | None = None, depth: int = 0) -> Script:
    """Every simple command of the text, those in substitutions included."""
    text, truncated = clip(text)
    script = Script(truncated=truncated)
    _Parser(script, dict(variables or {}), depth).run(Lexer(text).run())
    return script


class _Parser:
    def __init__(self, script: Script, variables: dict[str, str], depth: int) -> None:
        self.script = script
        self.variables = variables
        self.depth = depth
        self.frames = [_Frame("top")]
        self.words: list[Token] = []
        self.redirects: list[Redirect] = []
        self.closed: list[Command] | None = None  # the compound just closed: redirections go to all of it

    def run(self, tokens: list[Token]) -> None:
        at = 0
        while at < len(tokens) and len(self.script.commands) < MAX_COMMANDS:
            token = tokens[at]
            if token.kind == "redir":
                at += 1
                self._redirect(token, tokens[at] if at < len(tokens) and tokens[at].kind == "word" else None)
                at += 1 if at < len(tokens) and tokens[at].kind == "word" else 0
                continue
            if token.kind == "op":
                at = self._operator(tokens, at)
            elif self.words and self.words[0].bare == "[[":
                self.words.append(token)
            elif not self.words and self._keyword(token):
                pass
            else:
                self.words.append(token)
            at += 1
        self._end_command()
        while len(self.frames) > 1:
            self._close()
        self._end_pipeline()

    # -- operators -------------------------------------------------------------------------------

    def _operator(self, tokens: list[Token], at: int) -> int:
        op = tokens[at].text
        frame = self.frames[-1]
        if self.words and self.words[0].bare == "[[" and self.words[-1].bare != "]]" and op != "\n":
            return at
        if op == "(":
            return self._open_paren(tokens, at)
        if op == ")" and frame.kind == "case":
            self.words.clear()  # it was a pattern
            return at
        self._end_command()
        if op in ("|", "|&"):
            self.frames[-1].stages.append(self.frames[-1].stage)
            self.frames[-1].stage = []
        else:
            self._end_pipeline()
            if op == ")":
                self._close_to(("(",))
        if frame.awaiting == "values":
            frame.awaiting = ""
        return at

    def _open_paren(self, tokens: list[Token], at: int) -> int:
        after = tokens[at + 1] if at + 1 < len(tokens) else None
        if len(self.words) == 1 and after is not None and after.text == ")" and after.kind == "op":
            self.words.clear()  # name() is a function's head; its body is read like any other group
            return at + 1
        if self.words and tokens[at].glued and (self.words[-1].bare or "").endswith("="):
            while at < len(tokens) and tokens[at].text != ")":
                at += 1  # an array's elements
            return at
        self._end_command()
        self._open("(")
        return at

    # -- compounds -------------------------------------------------------------------------------

    def _keyword(self, token: Token) -> bool:
        """Whether the word, at the place of a program, belongs to the grammar instead."""
        frame = self.frames[-1]
        if frame.awaiting:
            self._header(frame, token)
            return True
        word = token.bare
        if word is None:
            return False
        if word in _PASSED_OVER:
            return True
        if word in _OPENERS:
            self._open(_OPENERS[word])
            return True
        if word in _CLOSERS and any(frame.kind in _CLOSERS[word] for frame in self.frames):
            self._close_to(_CLOSERS[word])
            return True
        return False

    def _header(self, frame: _Frame, token: Token) -> None:
        assert frame.loop is not None  # noqa: S101 - only for and case await anything
        word = token.bare
        if frame.awaiting == "name":
            name = "".join(part.text for part in token.parts)
            frame.loop = Loop(frame.kind, name, ())
            frame.awaiting = "in"
        elif word == "in":
            frame.awaiting = "values" if frame.kind == "for" else ""
        elif word == "do":
            frame.awaiting = ""
        elif frame.awaiting == "values":
            frame.loop = Loop(
                frame.kind, frame.loop.variable, (*frame.loop.values, *self._expand(token.parts))
            )

    def _open(self, kind: str) -> None:
        if len(self.frames) >= _MAX_FRAMES:
            return
        frame = _Frame(kind)
        if kind in ("for", "case"):
            frame.loop, frame.awaiting = Loop(kind, "", ()), "name"
        elif kind in ("while", "until"):
            frame.loop = Loop(kind, "", ())
        self.frames.append(frame)
        self.closed = None

    def _close_to(self, kinds: tuple[str, ...]) -> None:
        if not any(frame.kind in kinds for frame in self.frames[1:]):
            return
        while len(self.frames) > 1:
            kind = self.frames[-1].kind
            self._close()
            if kind in kinds:
                return

    def _close(self) -> None:
        self._end_pipeline()
        frame = self.frames.pop()
        self.frames[-1].commands.extend(frame.commands)
        self.frames[-1].stage.extend(frame.commands)
        self.closed = frame.commands

    # -- simple commands -------------------------------------------------------------------------

    def _redirect(self, token: Token, operand: Token | None) -> None:
        words = self._expand(operand.parts) if operand else []
        body = operand.body if operand is not None else None
        if token.text == "<<<":
            body = " ".join(words)
        redirect = Redirect(token.body or "", token.text, words[0] if words else "", body)
        if self.closed is not None and not self.words:
            for command in self.closed:
                command.redirects.append(redirect)
        else:
            self.redirects.append(redirect)

    def _end_command(self) -> None:
        words, redirects = self.words, self.redirects
        if not words and not redirects:
            return
        self.words, self.redirects, self.closed = [], [], None
        assigns: dict[str, str] = {}
        argv: list[str] = []
        for token in words:
            if not argv and (name := self._assigned(token)):
                assigns[name[0]] = name[1]
            else:
                argv.extend(self._expand(token.parts))
        if argv and argv[0] in _DECLARE:
            assigns.update(pair.split("=", 1) for pair in argv[1:] if _ASSIGN.match(pair))  # type: ignore[misc]
        if not argv or argv[0] in _DECLARE:
            self.variables.update({name: value for name, value in assigns.items() if "$" not in value})
        loops = tuple(frame.loop for frame in self.frames if frame.loop is not None and frame.kind != "case")
        command = Command(tuple(argv), assigns, redirects, loops, depth=self.depth)
        self.script.commands.append(command)
        self.frames[-1].commands.append(command)
        self.frames[-1].stage.append(command)

    def _assigned(self, token: Token) -> tuple[str, str] | None:
        first = token.parts[0] if token.parts else Part("var", "", False)
        match = _ASSIGN.match(first.text) if first.kind == "text" and not first.quoted else None
        if match is None:
            return None
        rest = [Part("text", first.text[match.end() :], False), *token.parts[1:]]
        return match.group(1), " ".join(self._expand(rest))

    def _end_pipeline(self) -> None:
        frame = self.frames[-1]
        if frame.stage:
            frame.stages.append(frame.stage)
        stages, frame.stages, frame.stage = frame.stages, [], []
        feed(stages, self.script)
        if len(stages) > 1:
            self.script.pipelines.append(stages)

    # -- words -----------------------------------------------------------------------------------

    def _expand(self, parts: list[Part]) -> list[str]:
        known = self.variables
        if any(frame.loop for frame in self.frames):  # a number may be the loop's counter: leave it visible
            known = {name: value for name, value in known.items() if not value.isdigit()}
        return expand(parts, known, self._substitute)

    def _substitute(self, text: str) -> str | None:
        """What `$(text)` yields, where it can be known; its commands join the script in any case."""
        if self.depth >= MAX_DEPTH or len(self.script.commands) >= MAX_COMMANDS:
            return None
        inner = parse(text, self.variables, self.depth + 1)
        self.script.commands.extend(inner.commands)
        self.script.pipelines.extend(inner.pipelines)
        if len(inner.pipelines) == 1 and len(inner.commands) == sum(len(s) for s in inner.pipelines[0]):
            return output_of(inner.pipelines[0])
        finds = all(command.argv[:1] in (("which",), ("command",)) for command in inner.commands)
        return output_of([inner.commands[:1]]) if len(inner.commands) == 1 or finds else None
