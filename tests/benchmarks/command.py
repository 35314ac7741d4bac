"""What `poe bench NAME` runs: a benchmark tells what it measures, how, and its options."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from tests.benchmarks.machine import describe_machine

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """One of the benchmarks."""

    summary: str
    """What it measures, in a few words: a line of the list."""
    method: str
    """How it measures, in one line that is printed with each result."""
    add_options: Callable[[argparse.ArgumentParser], None]
    """Declares its options."""
    run: Callable[[argparse.Namespace], None]
    """Measures and prints."""

    def parser(self, name: str) -> argparse.ArgumentParser:
        """What reads its options."""
        parser = argparse.ArgumentParser(
            prog=f"poe bench {name}",
            description=f"Measures {self.summary}. {self.method}",
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        )
        self.add_options(parser)
        return parser


def load(module: str) -> Benchmark:
    """The benchmark of a module. Others aren't imported: memory is measured, too."""
    found: Benchmark = import_module(module).BENCHMARK
    return found


def run_command(modules: Mapping[str, str], arguments: Sequence[str]) -> int:
    """Runs the benchmark that is named first, or lists all of them.

    Args:
        modules: Where each benchmark is, by name.
        arguments: A name and its options, or none.

    Returns:
        The exit code.
    """
    if not arguments or arguments[0] in {"-h", "--help"}:
        print(listing(modules))
        return 0
    name, *rest = arguments
    if name not in modules:
        print(f"There is no benchmark {name!r}; take one of these.\n{listing(modules)}")
        return 2
    benchmark = load(modules[name])
    options = benchmark.parser(name).parse_args(rest)
    print(f"machine: {describe_machine()}\nmethod: {benchmark.method}", flush=True)
    benchmark.run(options)
    return 0


def listing(modules: Mapping[str, str]) -> str:
    """All benchmarks, a line each."""
    width = max(map(len, modules))
    lines = (f"  {name:{width}}  {load(module).summary}" for name, module in modules.items())
    return "\n".join(["poe bench NAME [--help | options]", *lines])


def positive(text: str) -> int:
    """Reads a number of things to do, for argparse."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not a number from 1 on")
    return number
