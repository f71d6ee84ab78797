"""Whether the web process serves pages, asked the way a browser would."""

import http.client
from collections.abc import Callable
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 2.0


def answers(url: str) -> Callable[[], bool]:
    """A question to ask again and again: does anything but an error come back?

    503 counts: the page exists and tells that some part is still coming up.
    """
    parts = urlsplit(url)

    def ask() -> bool:
        line = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT_SECONDS)
        try:
            line.request("GET", parts.path)
            status = line.getresponse().status
            return status < 500 or status == 503
        except (OSError, http.client.HTTPException):
            return False
        finally:
            line.close()

    return ask
