"""`python -m towpath_service start` is `towpath server start`."""

import sys

from towpath.cli import main

if __name__ == "__main__":
    # The command line owns how errors end, for this way in as for its own.
    sys.argv.insert(1, "server")
    main()
