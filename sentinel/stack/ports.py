"""Whether the web address is free: asked before anything starts, so that nothing has to be undone."""

import errno
import socket

from sentinel.stack.problems import StackError


def check_free(bind: str, port: int) -> None:
    """Nobody listens on the address.

    SO_REUSEADDR passes over connections that are only closing (a start right after a stop), and still
    meets a listener. SO_REUSEPORT would let two servers share the port without a word, so it is not set.
    """
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((bind, port))
            probe.listen(1)
        except OSError as error:
            raise StackError(explain(error, bind, port)) from error


def explain(error: OSError, bind: str, port: int) -> str:
    """One sentence on why the address cannot be had, and the way out."""
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} is taken by another program: stop it, or choose another port,"
            f" for example SENTINEL_PORT={port + 1 if port < 65535 else 8000} make run."
        )
    if error.errno == errno.EACCES:
        return f"Port {port} needs more rights than yours: choose one above 1023 with SENTINEL_PORT."
    return f"The address {bind} is none of this machine's ({error.strerror}): set SENTINEL_BIND."
