"""A run as its own code sees it: its context, its children, futures, and failures.

The engine makes runs and drives them. The layers between (results, values, traces, the display)
read this package, and know neither the engine nor the decorators.
"""
