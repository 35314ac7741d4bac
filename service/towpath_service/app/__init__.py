"""The composition root: where the parts of the service are put together."""
