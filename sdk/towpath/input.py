"""Input of paused runs."""

from towpath._deploy.run_input import RunInput

__all__ = ["RunInput"]
