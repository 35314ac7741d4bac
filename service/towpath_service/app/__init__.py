"""The composition root: it wires the parts of the service, and runs them as a server."""
