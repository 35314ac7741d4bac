"""Runs tasks in processes of their own: the pool, the worker, and the messages between them.

The flow's process owns retries, reports and results; a worker runs one function at a time and
passes on what it logs and which runs it begins. A worker that ends in the middle of a call crashes
that call's run and nothing else.
"""
