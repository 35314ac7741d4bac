"""The calls of one flow run on a Dask cluster."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from towpath._runners.dask.library import get_annotations
from towpath._runners.dask.once import OnceOnly
from towpath._runners.dask.pump import Pump
from towpath._runners.remote import calls
from towpath._runs.failures import headline

if TYPE_CHECKING:
    from towpath._engine.definitions import TaskDefinition
    from towpath._runners.remote.steps import Steps

_log: Final = logging.getLogger("towpath.runners")
_PRIVATE_SCHEMES: Final = ("tls", "inproc", "wss", "ucx")
_PRIVATE_HOSTS: Final = ("127.", "localhost", "[::1]")


class Calls(calls.Calls):
    """Makes calls on a Dask cluster; safe to use from any thread."""

    def __init__(self, client: Any, steps: Steps) -> None:
        """Subscribes to the reports.

        Args:
            client: A client of the cluster, connected.
            steps: Run the steps of the runs.
        """
        super().__init__(steps)
        self._client = client
        self._address: str = client.scheduler.address
        self._have_once()
        client.subscribe_topic(self.topic, self._hear)
        self.pump = Pump(client, self.topic)

    def close(self) -> None:
        """Ends the use of the cluster; there are no calls under way."""
        super().close()
        if self._client.status == "running":
            self._client.unsubscribe_topic(self.topic)

    def _hear(self, event: Any) -> None:
        """Takes an event of the cluster, in the client's thread."""
        _, (key, payload) = event
        self.hear(key, payload)

    def _annotations(self, task: TaskDefinition) -> dict[str, Any]:
        del task
        return dict(get_annotations())

    def _open_place(self) -> str:
        scheme, _, place = self._address.partition("://")
        private = scheme in _PRIVATE_SCHEMES or place.startswith(_PRIVATE_HOSTS)
        return "" if private else self._address

    def _have_once(self) -> None:
        try:
            self._client.register_plugin(OnceOnly())
        except Exception as error:  # noqa: BLE001 - a scheduler may refuse what is pickled
            _log.warning(
                "the Dask scheduler %s takes no plugins (%s): when a worker dies, Dask runs its"
                " tasks again, without a retry of theirs",
                self._address,
                headline(error),
            )
