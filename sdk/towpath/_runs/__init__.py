"""A run as the code in it meets it: its context, its children, futures, and failures.

The engine makes runs and drives them; the layers between (results, values, traces, the display)
read what is here, and know neither the engine nor the decorators.
"""
