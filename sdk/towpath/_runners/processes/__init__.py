"""Tasks in processes of their own: the pool that keeps them, the worker they run, the wire between.

The flow's process owns retries, reports and results; a worker runs one function at a time and
passes on what it logs and which runs it begins. A worker that ends in the middle of a call crashes
that call's run and nothing else.
"""
