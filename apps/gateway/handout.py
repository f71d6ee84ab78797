"""How a host gets its agent with one command, and training code the file that tells of its tool calls."""

import hashlib
import shlex
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_GET

from apps.fleet.services import token_is_open
from apps.gateway import package

SCRIPT = Path(__file__).with_name("install.sh")


@require_GET
def install(request: HttpRequest) -> HttpResponse:
    """The script, with the address under which it was asked for. There is no secret in it."""
    # Django refuses a Host header that is not one of SENTINEL_HOSTS, or not a host name at all.
    server = f"{request.scheme}://{request.get_host()}"
    text = _script().replace("@SERVER@", shlex.quote(server))
    return HttpResponse(text, content_type="text/x-shellscript; charset=utf-8")


@require_GET
def trace_helper(request: HttpRequest) -> HttpResponse:
    """The one file with which training code tells of its tool calls. There is no secret in it."""
    response = HttpResponse(_helper(), content_type="text/x-python; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="sentinel_trace.py"'
    return response


@require_GET
def hand_out(request: HttpRequest) -> HttpResponse:
    """The archive, for the holder of an enrolment token that is still open. It does not spend the token."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token_is_open(token.strip()):
        detail = "An enrolment token that was not used yet is needed; make one on the hosts page."
        return JsonResponse({"error": "no-token", "detail": detail}, status=401)
    content = package.archive()
    response = HttpResponse(content, content_type="application/gzip")
    response["Content-Disposition"] = 'attachment; filename="sentinel-hostagent.tar.gz"'
    response["Sentinel-Package-Digest"] = hashlib.sha256(content).hexdigest()
    return response


@lru_cache(maxsize=1)
def _helper() -> bytes:
    return (settings.BASE_DIR / "hostagent" / "trace.py").read_bytes()


@lru_cache(maxsize=1)
def _script() -> str:
    return SCRIPT.read_text()
