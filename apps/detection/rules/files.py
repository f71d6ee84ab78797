"""Which files a program would read or write, as far as its arguments and redirections say."""

from apps.detection.argv import getopt
from apps.detection.argv.invocation import Invocation
from apps.detection.argv.names import names

_READERS = names(
    """
    cat less more head tail nl strings xxd hexdump od base64 base32 cp mv scp rsync tar zip gzip bzip2 7z
    gpg openssl grep rg ag awk sed cut sort uniq tr vim nano emacs dd curl wget nc ncat jq diff ed pg view
    python perl ruby php node file_get install ln readarray mapfile source . while read hd paste join rev
    fold fmt column unexpand expand xz zstd aws gsutil rclone sftp
    """
)
_WRITE_OPS = (">", ">>", ">|", "&>", "&>>", "<>")
_LAST_OPERAND = frozenset({"cp", "mv", "install", "ln", "rsync", "scp"})


# Programs whose arguments alone can make one of the functions below answer.
PROGRAMS = (
    _READERS
    | _LAST_OPERAND
    | frozenset(
        [
            "tee",
            "perl",
            "ex",
            "visudo",
            "rm",
            "unlink",
            "shred",
            "wipe",
            "srm",
            "scrub",
            "truncate",
            "find",
            "unset",
            "history",
            "set",
            "shopt",
            "setopt",
            "unsetopt",
            "chattr",
            "env",
        ]
    )
)


def reads(invocation: Invocation) -> list[str]:
    """Paths the program would read: operands, redirections, and paths within inline code."""
    found = [r.target for r in invocation.redirects if r.op == "<"]
    if invocation.program in _READERS:
        words = invocation.args[:64]
        found += [
            word.partition("if=")[2] if word.startswith("if=") else word for word in words if word[:1] != "-"
        ]
        found += [word.partition("@")[2] for word in words if "@" in word]
    if invocation.code:
        found.append(invocation.code)
    if invocation.program in ("ed", "ex", "vim") and invocation.stdin:
        found.append(invocation.stdin)
    if invocation.program == "getent" and invocation.args[:1] in (("shadow",), ("gshadow",)):
        found.append("/etc/" + invocation.args[0])
    return found


def writes(invocation: Invocation) -> list[str]:
    """Paths the program would write, create or replace."""
    found = [r.target for r in invocation.redirects if r.op in _WRITE_OPS]
    program, args = invocation.program, invocation.args
    operands = [word for word in args if word[:1] != "-"]
    if program == "tee":
        found += operands
    elif program in _LAST_OPERAND and len(operands) > 1:
        found.append(operands[-1])
    elif program == "sed" and any(
        word.startswith(("-i", "--in-place")) or (word[:1] == "-" and "i" in word[1:3]) for word in args
    ):
        found += getopt(args, "e:f:l:i::E").rest
    elif program == "dd":
        found += [word[3:] for word in args if word.startswith("of=")]
    elif program in ("perl", "ed", "ex", "vim", "nano", "visudo", "emacs") and (
        program != "perl" or any("i" in w[:4] for w in args[:2])
    ):
        found += operands
    elif program == "curl":
        found += getopt(args, "o:").values("o", "--output")
    elif program == "wget":
        found += getopt(args, "O:").values("O", "--output-document")
    return found


def written_text(invocation: Invocation) -> str:
    """The text that goes into the files written, where it can be known."""
    if invocation.program in ("echo", "printf", "sed", "perl"):
        return " ".join(invocation.args)
    return invocation.stdin or ""


def removes(invocation: Invocation) -> list[str]:
    """Paths the program would delete, empty or overwrite."""
    program, args = invocation.program, invocation.args
    operands = [word for word in args if word[:1] != "-"]
    if program in ("rm", "unlink", "shred", "wipe", "srm", "scrub"):
        return operands
    if program == "truncate":
        return list(getopt(args, "s:r:o", frozenset({"--size", "--reference"})).rest[:16])
    emptied = (
        program in ("", ":", "true")
        or (program in ("cat", "cp") and "/dev/null" in args)
        or (program in ("echo", "printf") and not "".join(args).strip())
    )
    if program == "ln" and "/dev/null" in operands:
        return operands[1:]
    if program == "find" and ("-delete" in args or "rm" in args):
        return operands[:4]
    if program == "cp" and operands[:1] == ["/dev/null"]:
        return operands[1:]
    if program == "dd" and any(word in ("if=/dev/null", "if=/dev/zero", "if=/dev/urandom") for word in args):
        return [word[3:] for word in args if word.startswith("of=")]
    return [r.target for r in invocation.redirects if r.op in (">", ">|")] if emptied else []
