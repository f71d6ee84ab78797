"""One ASGI application: the hot door, Django, the sockets, and what runs beside them."""

import os

from django.conf import settings
from django.core.asgi import get_asgi_application

from sentinel.pool import pooled

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sentinel.settings")
settings.DATABASES["default"] = pooled(settings.DATABASES["default"])
django = get_asgi_application()  # before the imports below: they need Django's apps

from channels.routing import ProtocolTypeRouter  # noqa: E402

from apps.gateway.door import Door  # noqa: E402
from sentinel.lifespan import lifespan  # noqa: E402
from sentinel.sockets import sockets  # noqa: E402

application = ProtocolTypeRouter({"http": Door(django), "websocket": sockets, "lifespan": lifespan})
