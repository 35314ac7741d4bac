"""The web port: the dispatcher over Connect and gRPC-Web, in Starlette."""

from towpath_service.web.application import Keys, web_application
from towpath_service.web.server import WebServer

__all__ = ["Keys", "WebServer", "web_application"]
