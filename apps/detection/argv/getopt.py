"""getopt(3): bundled flags, attached values, long options with and without "="."""

from dataclasses import dataclass

MAX_ARGS = 512


@dataclass(frozen=True, slots=True)
class Options:
    """The options in the order given, and what is left. Long names keep their dashes."""

    given: tuple[tuple[str, str], ...]
    rest: tuple[str, ...]

    def has(self, *names: str) -> bool:
        """Whether one of the options was given."""
        return any(name in names for name, _ in self.given)

    def values(self, *names: str) -> list[str]:
        """The values of these options, in order."""
        return [value for name, value in self.given if name in names]

    def value(self, *names: str) -> str:
        """The last value of these options, or nothing."""
        found = self.values(*names)
        return found[-1] if found else ""


def getopt(
    args: tuple[str, ...],
    short: str = "",
    long_with_value: frozenset[str] = frozenset(),
    *,
    permute: bool = True,
) -> Options:
    """Read `args` by a getopt(3) specification.

    In `short`, "a:" takes a value, "a::" takes only an attached one, "a" none; a letter that is not named
    takes none. A long option takes a separate value only if named in `long_with_value`. Without `permute`
    the first operand ends the options, as in a program that starts another one.
    """
    given: list[tuple[str, str]] = []
    rest: list[str] = []
    at, size = 0, min(len(args), MAX_ARGS)
    while at < size:
        word = args[at]
        at += 1
        if word == "--":
            rest.extend(args[at:size])
            break
        if word[:2] == "--":
            name, equals, value = word.partition("=")
            if not equals and name in long_with_value and at < size:
                value, at = args[at], at + 1
            given.append((name, value))
        elif word[:1] == "-" and len(word) > 1:
            at = _bundle(word, short, args, at, size, given)
        else:
            rest.append(word)
            if not permute:
                rest.extend(args[at:size])
                break
    return Options(tuple(given), tuple(rest))


def _bundle(
    word: str, short: str, args: tuple[str, ...], at: int, size: int, given: list[tuple[str, str]]
) -> int:
    """`-fNR 8080:...` is -f, -N and -R with its value."""
    for index in range(1, min(len(word), 64)):
        letter = word[index]
        place = short.find(letter) if letter != ":" else -1
        takes = place >= 0 and short[place + 1 : place + 2] == ":"
        if not takes:
            given.append((letter, ""))
            continue
        value = word[index + 1 :]
        if not value and short[place + 2 : place + 3] != ":" and at < size:
            value, at = args[at], at + 1
        given.append((letter, value))
        break
    return at


def single_dash(args: tuple[str, ...], with_value: frozenset[str] = frozenset()) -> Options:
    """The Go and X11 habit: `-name value`, `-name=value` and `--name value` are the same; no bundling."""
    given: list[tuple[str, str]] = []
    rest: list[str] = []
    at, size = 0, min(len(args), MAX_ARGS)
    while at < size:
        word = args[at]
        at += 1
        if word[:1] != "-" or len(word) == 1:
            rest.append(word)
            continue
        name, equals, value = word.lstrip("-").partition("=")
        if not equals and name in with_value and at < size:
            value, at = args[at], at + 1
        given.append((name, value))
    return Options(tuple(given), tuple(rest))
