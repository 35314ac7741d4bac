"""The task runner for Dask clusters; needs `pip install 'towpath[dask]'`."""

from __future__ import annotations

from towpath._runners.dask.runner import DaskTaskRunner

__all__ = ["DaskTaskRunner"]
