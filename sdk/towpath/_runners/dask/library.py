"""The names of Dask that Towpath uses; Dask types few of them."""

from __future__ import annotations

import copyreg
from typing import Any

import dask
import distributed
from distributed.cli import dask_spec
from distributed.deploy import spec
from distributed.diagnostics import plugin

from towpath.exceptions import TowpathError

_dask: Any = dask
_distributed: Any = distributed
_spec: Any = spec
_plugin: Any = plugin
_dask_spec: Any = dask_spec

annotate: Any = _dask.annotate
get_annotations: Any = _dask.get_annotations
Client: Any = _distributed.Client
KilledWorker: Any = _distributed.KilledWorker
LocalCluster: Any = _distributed.LocalCluster
get_worker: Any = _distributed.get_worker
performance_report: Any = _distributed.performance_report
ProcessInterface: Any = _spec.ProcessInterface
SpecCluster: Any = _spec.SpecCluster
SchedulerPlugin: Any = _plugin.SchedulerPlugin
serve_spec: Any = _dask_spec.main


def _pickle_ours_plainly(kind: type[BaseException]) -> None:
    """Has exceptions of Towpath pickled as before: Dask's import changes that for all of Python."""
    copyreg.dispatch_table.pop(kind, None)
    for below in kind.__subclasses__():
        _pickle_ours_plainly(below)


_pickle_ours_plainly(TowpathError)
