"""The web port: the dispatcher over Connect and gRPC-Web, and the UI, in Starlette."""

from towpath_service.web.application import (
    Condition,
    Keys,
    background_application,
    web_application,
)
from towpath_service.web.server import WebServer
from towpath_service.web.ui import built_files

__all__ = [
    "Condition",
    "Keys",
    "WebServer",
    "background_application",
    "built_files",
    "web_application",
]
