"""Flows, under the name that Prefect has for their module."""

from __future__ import annotations

from towpath._definitions.flow import Flow, flow

__all__ = ["Flow", "flow"]
