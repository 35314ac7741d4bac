"""`python -m towpath` is `towpath`."""

from towpath.cli import main

if __name__ == "__main__":
    main()
