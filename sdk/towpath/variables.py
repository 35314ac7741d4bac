"""Variables: named JSON values of a workspace, for flows and people."""

from typing import TYPE_CHECKING

from towpath._prefect_names.refusals import refusing
from towpath._values.variable import Variable

__all__ = ["Variable"]

if not TYPE_CHECKING:
    __getattr__ = refusing(__name__)
