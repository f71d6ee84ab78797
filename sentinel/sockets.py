"""Every WebSocket path, by door."""

from channels.routing import URLRouter
from channels.security.websocket import AllowedHostsOriginValidator, WebsocketDenier
from channels.sessions import CookieMiddleware
from django.urls import path, re_path

from apps.console.consumers import ConsoleFeed
from apps.gateway.consumers import BellConsumer

# Cookies are read here and the session by the consumer itself: it reads it again and again while the socket
# is open, and channels.auth would read it once, in the one thread that all of Channels shares.
sockets = URLRouter(
    [
        path("ws/feed/", AllowedHostsOriginValidator(CookieMiddleware(ConsoleFeed.as_asgi()))),
        path("agent/v1/bell", BellConsumer.as_asgi()),
        re_path("", WebsocketDenier.as_asgi()),
    ]
)
