"""Deployments of flows from code, project files and scripts that serve."""
