"""`poe test`: runs pytest in several processes on all tests, on those of a subject, or on paths."""

from __future__ import annotations

import sys

import pytest

# Tests wait for processes and for time: three share two cores well.
IN_PROCESSES = ("-n", "3", "--dist", "worksteal")


def main(arguments: list[str]) -> int:
    """Runs pytest, and returns its exit code.

    Args:
        arguments: Those of pytest; a first one that is no option and no path names a subject.
    """
    first = arguments[0] if arguments else "-"
    if not first.startswith("-") and "/" not in first and not first.endswith(".py"):
        arguments = ["--subject", *arguments]
    return int(pytest.main([*IN_PROCESSES, *arguments]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
