"""The program of a shim: `python -I -S .../shim FOLDER`; the worker starts it."""

import os
import sys

# Behind the standard library, and without the package above: importing that would take memory.
sys.path.append(os.path.dirname(sys.path.pop(0)))

if __name__ == "__main__":
    __import__("shim.supervisor", fromlist=["main"]).main()
