"""Reads runs, histories and logs from a service."""

from towpath.client._client import Client
from towpath.client._connect import connect
from towpath.client._values import (
    Decision,
    Failure,
    FlowSummary,
    GraphNode,
    LogLine,
    Run,
    RunEvent,
    ServerInfo,
    Transition,
)

__all__ = [
    "Client",
    "Decision",
    "Failure",
    "FlowSummary",
    "GraphNode",
    "LogLine",
    "Run",
    "RunEvent",
    "ServerInfo",
    "Transition",
    "connect",
]
