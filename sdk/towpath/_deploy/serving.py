"""Serves flows."""

from typing import Any


def serve(*deployments: Any, **options: Any) -> None:
    """Serves."""
