"""The service's own traces."""
