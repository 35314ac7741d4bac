"""Reads runs, histories and logs from a service."""

from towpath.client._client import Client
from towpath.client._connect import connect

__all__ = ["Client", "connect"]
