"""Variables: named JSON values of a workspace, for flows and people."""

from towpath._values.variable import Variable

__all__ = ["Variable"]
