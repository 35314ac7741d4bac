"""Opens the kind on the cluster that the environment leads to."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from towpath._work.kinds.kubernetes.client import LightkubeCluster
from towpath._work.kinds.kubernetes.kind import KubernetesKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from towpath._settings.declared import Settings


def open_kubernetes(
    settings: Settings, pool: str, worker: str, namespace: str, tell: Callable[[str], object]
) -> KubernetesKind:
    """Returns the kind, as a context; arguments are those of `open_kind`."""
    return KubernetesKind(
        settings,
        lambda: LightkubeCluster(namespace=namespace),
        pool=pool,
        worker=worker,
        tell=tell,
        environment=os.environ,
    )
