"""Variables of Towpath that are no settings, told apart from misspelled settings by their names."""

from __future__ import annotations

from typing import Final

SERVER_VARIABLES: Final = frozenset(
    f"TOWPATH_SERVER_{name}"
    for name in (
        *("DATABASE", "KEY_FILE", "KEY_ENCRYPTION_KEY", "PUBLIC_URL"),
        *("TLS_CERT", "TLS_KEY", "TLS_CLIENT_CA"),
        *("KEEP_RUNS", "KEEP_TRANSITIONS", "KEEP_LOGS"),
    )
)
"""Variables of the service's own options: no settings of its clients.

`towpath_service.app.options` declares them. A client has to know their names where the service
isn't installed, to distinguish them from misspelled settings; a test compares the two.
"""

RUN_VARIABLES: Final = frozenset(
    (
        *("TOWPATH_RUN_ID", "TOWPATH_RUN_ATTEMPT", "TOWPATH_RUN_FENCE", "TOWPATH_RUN_DUE"),
        "TOWPATH_WORK_LEASE_ID",
    )
)
"""Variables by which a worker's run knows who it is: no settings."""
