"""The port of secrets: their store."""
