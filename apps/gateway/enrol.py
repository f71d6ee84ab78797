"""`POST /agent/v1/enrol`: a host makes itself known, with a one-time token and a key of its own."""

import json
import time
from typing import Any

from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from apps.core.jsontext import storable_json
from apps.core.keys import public_key, verified
from apps.fleet.choices import AgentState
from apps.fleet.services import Application, EnrolmentError, enrol
from apps.gateway.auth import RefusedError
from apps.gateway.throttle import throttle
from hostagent import protocol

LARGEST = 256 * 1024


@csrf_exempt
def enrol_host(request: HttpRequest) -> HttpResponseBase:
    """The key that signed the request speaks for its host; or it stands apart as a clone."""
    try:
        throttle(request, "enrol", most=20, seconds=60)
        return JsonResponse(_enrolled(request), status=201)
    except EnrolmentError as error:
        refused = RefusedError(403, error.code, error.detail)
    except RefusedError as error:
        refused = error
    response = JsonResponse(refused.body(), status=refused.status)
    if refused.retry_after is not None:
        response["Retry-After"] = str(refused.retry_after)
    if refused.status == 405:
        response["Allow"] = "POST"
    return response


def _enrolled(request: HttpRequest) -> dict[str, Any]:
    if request.method != "POST":
        raise RefusedError(405, "method", "Hosts enrol with POST.")
    body = _body(request)
    asked = _asked(body)
    application = _application(asked)
    _check_possession(request, application.public_key, body)
    agent = enrol(_text(asked, "token", longest=200), application)
    return {
        "agent_id": str(agent.uuid),
        "host_id": str(agent.host_id),
        "host_name": agent.host.name,
        "server_key": public_key("server"),
        "server_time_ms": time.time_ns() // 1_000_000,
        "state": agent.state,
        "clone": agent.state == AgentState.CLONE,
    }


def _body(request: HttpRequest) -> bytes:
    declared = str(request.META.get("CONTENT_LENGTH") or "")
    if declared.isdecimal() and int(declared) > LARGEST:
        raise RefusedError(413, "too-large", f"An enrolment may have {LARGEST:,} bytes.")
    body = request.read(LARGEST + 1)
    if len(body) > LARGEST:
        raise RefusedError(413, "too-large", f"An enrolment may have {LARGEST:,} bytes.")
    return body


def _asked(body: bytes) -> dict[str, Any]:
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError):
        raise RefusedError(400, "malformed", "The body is not JSON.") from None
    if not isinstance(asked, dict):
        raise RefusedError(400, "malformed", "The body is not a JSON object.")
    return asked


def _application(asked: dict[str, Any]) -> Application:
    try:
        key = protocol.unb64url(_text(asked, "public_key", longest=64))
    except ValueError:
        key = b""
    if len(key) != 32:
        raise RefusedError(400, "bad-key", "public_key has to be 32 bytes in base64url.")
    capabilities, sensors = asked.get("capabilities") or {}, asked.get("sensors") or {}
    if not isinstance(capabilities, dict) or not isinstance(sensors, dict):
        raise RefusedError(400, "malformed", "capabilities and sensors have to be JSON objects.")
    return Application(
        public_key=key,
        hostname=_text(asked, "hostname", longest=120),
        machine_id=_text(asked, "machine_id", longest=64, needed=False),
        boot_id=_text(asked, "boot_id", longest=64, needed=False),
        version=_text(asked, "version", longest=32, needed=False),
        capabilities=storable_json(capabilities),
        sensors=storable_json(sensors),
    )


def _check_possession(request: HttpRequest, key: bytes, body: bytes) -> None:
    """Whoever asks holds the private half of the key it names."""
    header = request.headers.get
    fresh = f"{header(protocol.HEADER_TIME, '')}.{header(protocol.HEADER_NONCE, '')}"
    message = protocol.request_bytes("POST", request.path, protocol.NO_AGENT, fresh, body)
    if not verified(key, header(protocol.HEADER_SIGNATURE, "") or "", message):
        raise RefusedError(401, "bad-signature", "The request is not signed with the key that it names.")


def _text(asked: dict[str, Any], name: str, *, longest: int, needed: bool = True) -> str:
    value = asked.get(name)
    if value is None and not needed:
        return ""
    if not isinstance(value, str) or len(value) > longest or (needed and not value.strip()):
        raise RefusedError(400, "malformed", f"{name} has to be a text of at most {longest} characters.")
    return value.strip()
