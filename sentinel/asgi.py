"""One ASGI application: the hot door, Django, the sockets, and what runs beside them."""

import os
from typing import cast

from django.conf import settings

from sentinel.pool import pooled
from sentinel.threads import Handler

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sentinel.settings")
settings.DATABASES["default"] = pooled(settings.DATABASES["default"])
django = Handler()  # before the imports below: they need Django's apps

from channels.routing import ProtocolTypeRouter  # noqa: E402

from apps.gateway.door import App, Door  # noqa: E402
from apps.gateway.lane import Lane  # noqa: E402
from sentinel.lifespan import lifespan  # noqa: E402
from sentinel.sockets import sockets  # noqa: E402

# Django takes a plain dict where ASGI says mapping; uvicorn gives one.
http = Door(Lane(cast(App, django)))
application = ProtocolTypeRouter({"http": http, "websocket": sockets, "lifespan": lifespan})
