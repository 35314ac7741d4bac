"""Commands about secrets and variables."""
