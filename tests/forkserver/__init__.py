"""Processes that are forked from one that has the sources imported.

A command of its own needs 0.5 s of a processor, a server 1.5 s, nearly all of which are imports.
Here one process imports for all, and forks for each: what it forks has its own pid, environment,
folder and files, and is signalled, waited for and ended as any process is. Only the start of the
interpreter and the imports aren't gone through again; tests of those start `python` themselves.
"""
