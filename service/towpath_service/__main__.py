"""`python -m towpath_service start` is `towpath server start`."""

from towpath_service.cli import server

if __name__ == "__main__":
    server(prog_name="python -m towpath_service")
