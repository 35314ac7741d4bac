"""The ports of limits: their store."""
