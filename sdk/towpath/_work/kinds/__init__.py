"""The kinds of work pools: how a dispatched run is started, stopped and adopted."""
