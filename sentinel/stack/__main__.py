"""`python -m sentinel.stack` runs everything; with `manage` or a PostgreSQL program it uses what runs."""

import errno
import sys

from sentinel.stack import access, options
from sentinel.stack.problems import StackError
from sentinel.stack.supervisor import Supervisor


def main(arguments: list[str]) -> int:
    """What was asked for was done; what hindered it was said in one sentence."""
    try:
        asked = options.read()
        if arguments and arguments[0] != "run":
            access.become(asked.home, arguments[0], arguments[1:])
        Supervisor(asked).run()
    except StackError as problem:
        sys.stderr.write(f"Sentinel cannot start. {problem}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"Sentinel cannot start. {explain(error)}\n")
        return 1
    return 0


def explain(error: OSError) -> str:
    """One sentence for what the system refused."""
    name = error.filename or "a file"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"The disk is full ({name}): free some space, or set SENTINEL_HOME to a folder on another disk."
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return (
            f"{name} may not be written: change its permissions, or set SENTINEL_HOME to a folder of yours."
        )
    return f"The system refused {name}: {error.strerror or error}."


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
