"""Runs tasks on the workers of a Dask cluster.

The flow's process owns retries, reports and results. A thread of it hands calls to the cluster and
takes up how they ended, many at a time (`pump`). A worker calls one function at a time in each of
its threads (`worker`), and sends reports over the cluster's event log, which is ordered but may be
behind the answers: an answer tells how many reports precede it.

Invariant: Dask runs a call once at most. A call whose worker is gone crashes its run, and only the
run's own retries begin another. See `once`.
"""
