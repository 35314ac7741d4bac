"""Opens a kind by its name; a kind that a worker doesn't serve is never imported."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from towpath.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from towpath._settings.declared import Settings
    from towpath._work.kinds.base import Kind

PROCESS: Final = "process"
KUBERNETES: Final = "kubernetes"
KINDS: Final = (PROCESS, KUBERNETES)
"""The kinds of work pools that workers of this package serve."""


@contextmanager
def open_kind(
    name: str,
    settings: Settings,
    *,
    pool: str,
    worker: str,
    namespace: str,
    tell: Callable[[str], object],
) -> Generator[Kind]:
    """Opens a kind for as long as the context lasts; what it has started goes on after that.

    Args:
        name: Its name.
        settings: The worker's settings.
        pool: Id of the pool.
        worker: Id of the worker.
        namespace: Namespace of Jobs; empty for that of the cluster's configuration.
        tell: Called with what is to be said to people of the kind itself, in any thread.

    Raises:
        ConfigurationError: There is no such kind, or it lacks something.
    """
    if name == PROCESS:
        from towpath._work.kinds.process import ProcessKind  # noqa: PLC0415 - of no other kind

        processes = ProcessKind(settings, f"{pool}/{worker}", directory=Path.cwd())
        processes.clean_up()
        yield processes
    elif name == KUBERNETES:
        from towpath._work.kinds.kubernetes.open import open_kubernetes  # noqa: PLC0415 - needs an extra

        with open_kubernetes(settings, pool, worker, namespace, tell) as jobs:
            yield jobs
    else:
        raise ConfigurationError(f"there is no kind {name!r} of workers: {' or '.join(KINDS)}")
