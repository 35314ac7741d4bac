"""The web port: the dispatcher over Connect and gRPC-Web, in Starlette."""

from towpath_service.web.application import web_application
from towpath_service.web.server import WebServer

__all__ = ["WebServer", "web_application"]
