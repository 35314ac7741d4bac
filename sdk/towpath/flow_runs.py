"""Runs of flows, from outside of them."""

from towpath._deploy.running import wait_for_flow_run

__all__ = ["wait_for_flow_run"]
