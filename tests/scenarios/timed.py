"""A server whose streams and tokens last as long as a test needs; no option sets that."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from towpath_service.app.options import ListenerOptions, ServerOptions
from towpath_service.app.server import serve
from towpath_service.database.database_urls import parse_database
from towpath_service.identity.application.authority import Authority
from towpath_service.runs.rpc import ingest_handler
from towpath_service.runs.rpc.ingest_handler import StreamTimes


def main(home: str, database: str, port: str, web_port: str, times: str, tokens: str) -> None:
    """Serves until it is told to stop."""
    if changed := json.loads(tokens):
        defaults = Authority.__init__.__kwdefaults__
        assert defaults is not None
        defaults["token_seconds"] = changed["life_seconds"]
        ingest_handler.TOKEN_ENDS_SECONDS = changed["notice_seconds"]  # type: ignore[misc]
    options = ServerOptions(
        home=Path(home),
        database=parse_database(database, Path(home)),
        listener=ListenerOptions(port=int(port), web_port=int(web_port)),
        times=StreamTimes(**json.loads(times)),
    )
    asyncio.run(serve(options, lambda *_: None))


if __name__ == "__main__":
    main(*sys.argv[1:])
