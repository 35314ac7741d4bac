"""Towpath beside Prefect 3: the same pipelines, each with a server of its own, in one run."""
