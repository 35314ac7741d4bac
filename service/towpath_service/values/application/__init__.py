"""The use cases of secrets and data keys, which the handler and the operator's commands call."""
