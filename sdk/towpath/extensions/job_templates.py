"""JSON Schemas of the job templates of Towpath's own kinds of work pools."""

from __future__ import annotations

from towpath._work.job_template import KUBERNETES, PROCESS

__all__ = ["KUBERNETES", "PROCESS"]
