"""The web port."""
