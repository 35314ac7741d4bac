"""The web UI in a browser, against a real server."""
