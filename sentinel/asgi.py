"""One ASGI application: the hot door, Django, and the sockets."""

import os

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sentinel.settings")

django = get_asgi_application()
application = ProtocolTypeRouter({"http": django})
