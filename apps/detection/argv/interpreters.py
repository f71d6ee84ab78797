"""Program text that an interpreter is given on its command line, and the commands such text starts."""

import ast
import re
import warnings
from collections.abc import Iterator
from itertools import islice

from apps.detection.argv.getopt import getopt
from apps.detection.argv.launchers import Inner
from apps.detection.argv.names import names

Args = tuple[str, ...]
MAX_CODE = 16_384

# program -> (getopt letters, those that carry code, long ones that carry code, more long ones with a value)
_FLAGS: dict[str, tuple[str, str, str, str]] = {
    "python": ("c:W:X:Q:m:", "c", "", "--check-hash-based-pycs"),
    "perl": ("e:E:M::m::I:i::C::D::d::F::x::0::l::", "eE", "", ""),
    "ruby": ("e:r:I:C:E:F::i::x::K::W::T::0::", "e", "", "--encoding"),
    "php": (
        "r:B:R:E:d:c:f:F:z:S:t:",
        "rBRE",
        "--run --process-code --process-begin --process-end",
        "--define",
    ),
    "node": ("e:p:r:C:", "ep", "--eval --print", "--require --import --loader"),
    "bun": ("e:p:", "ep", "--eval --print", ""),
    "deno": ("", "", "", ""),
    "lua": ("e:l:", "e", "", ""),
    "julia": ("e:E:L:p:t:J:", "eE", "--eval --print", "--project --threads"),
    "r": ("e:f:g:", "e", "", ""),
    "rscript": ("e:", "e", "", ""),
    "jrunscript": ("e:l:f:", "e", "", ""),
    "groovy": ("e:c:", "e", "", ""),
    "elixir": ("e:r:S:", "e", "--eval", ""),
    "expect": ("c:", "c", "", ""),
    "guile": ("c:e:l:s:", "c", "", ""),
    "racket": ("e:", "e", "--eval", ""),
    "sbcl": ("", "", "--eval", "--load"),
    "osascript": ("e:", "e", "", ""),
    "octave": ("", "", "--eval", ""),
    "emacs": ("l:f:", "", "--eval --execute", "--load"),
    "gimp": ("b:i", "b", "--batch", ""),
    "psql": ("c:h:p:U:d:f:", "c", "--command", ""),
    "mysql": ("e:h:u:P:D:", "e", "--execute", ""),
    "sqlite3": ("", "", "", "-cmd"),
    "powershell": ("", "", "", ""),
    "crystal": ("", "", "", ""),
}
_STDIN_READERS = names(
    """
    python perl ruby php node lua irb tclsh wish julia jjs expect ghci psql deno bun r
    """
)
INTERPRETERS = frozenset(_FLAGS) | _STDIN_READERS | {"awk", "vim", "gdb", "erl"}


def inline_code(program: str, args: Args, stdin: str | None) -> str:
    """The text this interpreter would run, without reading any file."""
    if program == "awk":
        operands = getopt(args, "F:v:f:", permute=False)
        return operands.rest[0][:MAX_CODE] if operands.rest and not operands.has("f") else ""
    if program == "vim":
        words = [word[1:] for word in args if word[:1] == "+"]
        return "\n".join(getopt(args, "c:S:", frozenset({"--cmd"})).values("c", "--cmd") + words)[:MAX_CODE]
    if program == "gdb":
        return "\n".join(
            args[at + 1] for at, word in enumerate(args[:-1]) if word.lstrip("-") in ("ex", "eval-command")
        )
    if program == "erl":
        return "\n".join(args[at + 1] for at, word in enumerate(args[:-1]) if word == "-eval")
    if program == "powershell":
        return " ".join(args)[:MAX_CODE]
    if program in ("deno", "crystal"):
        return " ".join(args[1:])[:MAX_CODE] if args[:1] == ("eval",) else ""
    letters, code_letters, code_longs, other_longs = _FLAGS.get(program, ("", "", "", ""))
    longs = frozenset((code_longs + " " + other_longs).split())
    options = getopt(args, letters, longs, permute=False)
    code = "\n".join(options.values(*code_letters, *code_longs.split()))
    if (
        not code
        and program in _STDIN_READERS
        and not [a for a in options.rest if a != "-"]
        and not options.has("m")
    ):
        code = stdin or ""
    return code[:MAX_CODE]


_STARTS = re.compile(
    r"(?:system|exec\w{0,8}|popen|spawn\w{0,8}|passthru)\s?\(?\s?(['\"])((?:\\.|(?!\1)[^\\]){2,400})\1"
)
_SHELL_CALLS = frozenset({"system", "popen", "getoutput", "getstatusoutput", "create_subprocess_shell"})
_ARGV_CALLS = names(
    """
    run call Popen check_output check_call spawn create_subprocess_exec execv execvp execl execlp execve
    execvpe spawnv spawnvp
    """
)


def python_commands(code: str) -> list[Inner]:
    """The commands that a Python text starts with literal arguments (os.system, subprocess, pty, ...)."""
    if not any(name in code for name in ("system", "popen", "subprocess", "spawn", "exec", "getoutput")):
        return []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(code[:MAX_CODE])
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    found: list[Inner] = []
    for call in _calls(tree):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if call.args and name in _SHELL_CALLS | _ARGV_CALLS and (inner := _inner(call, name)):
            found.append(inner)
        if len(found) == 16:
            break
    return found


def other_commands(code: str) -> list[Inner]:
    """The commands that text in another language starts: the literal after system, exec and the like."""
    if not any(name in code for name in ("system", "exec", "popen", "spawn", "passthru")):
        return []
    return [
        Inner(text=found.group(2).replace("\\", ""))
        for found in islice(_STARTS.finditer(code[:MAX_CODE]), 16)
    ]


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _inner(call: ast.Call, name: str) -> Inner | None:
    first = call.args[0]
    if isinstance(first, ast.List | ast.Tuple):
        return Inner(argv=tuple(_literal(item) for item in first.elts))
    text = _literal(first)
    if name.startswith(("execl", "create_subprocess_exec")):
        return Inner(argv=tuple(_literal(argument) for argument in call.args))
    if (
        name.startswith(("execv", "spawnv"))
        and len(call.args) > 1
        and isinstance(call.args[1], ast.List | ast.Tuple)
    ):
        return Inner(argv=tuple(_literal(item) for item in call.args[1].elts))
    return Inner(text=text) if text and text != "$" else None


def _literal(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_literal(value) for value in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _literal(node.left)[:4096] + _literal(node.right)[:4096]
    return "$"
