"""Builds the documentation site, and the reference pages that follow from the code.

`python -m website references` writes docs/reference, `python -m website build` makes the site and
checks its links. Used by `poe docs` and `poe check`.
"""
