"""The web port: the dispatcher over Connect and gRPC-Web, and the UI, in Starlette."""

from towpath_service.web.application import Keys, web_application
from towpath_service.web.server import WebServer
from towpath_service.web.ui import built_files

__all__ = ["Keys", "WebServer", "built_files", "web_application"]
