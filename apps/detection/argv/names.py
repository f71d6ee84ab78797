"""What a program is called, whatever path, case or version it was started by."""

from functools import lru_cache


def names(text: str) -> frozenset[str]:
    """A set of names, written as words."""
    return frozenset(text.split())


# name: what else it is called
_OTHER_NAMES = {
    "nc": "nc.traditional nc.openbsd netcat nc6", "ncat": "ncat.exe", "node": "nodejs", "lua": "luajit",
    "python": "pypy ipython", "awk": "gawk mawk nawk original-awk", "cat": "bat batcat tac",
    "vim": "rvim view rview vi nvim vimdiff vim.basic vim.tiny", "bash": "rbash -bash", "sh": "-sh",
    "zsh": "-zsh", "powershell": "pwsh",
    "ksh": "mksh lksh pdksh", "docker": "docker-ce podman nerdctl", "grep": "egrep fgrep rgrep zgrep",
}  # fmt: skip
ALIASES = {other: name for name, others in _OTHER_NAMES.items() for other in others.split()}


@lru_cache(maxsize=8192)
def program_name(path: str) -> str:
    """`/usr/bin/python3.11` is `python`; `nc.traditional` is `nc`; `./XMRig` is `xmrig`."""
    name = path[-256:].rpartition("/")[2].lower().removesuffix(".exe").removesuffix(" (deleted)")
    if name in ALIASES:
        return ALIASES[name]
    if name[:1] == "$":  # $PYTHON, ${SHELL}: the variable's name says what it holds
        return next((known for word, known in _HELD.items() if word in name), name)
    stem = name.rstrip("0123456789.-")
    if stem and stem != name and stem in _VERSIONED:
        return ALIASES.get(stem, stem)
    return name


_HELD = {"python": "python", "perl": "perl", "ruby": "ruby", "bash": "bash", "shell": "sh"}
_VERSIONED = names(
    """
    python pypy ipython perl ruby php lua luajit node tclsh wish ksh bash zsh julia irb java groovy vim gdb
    """
)
