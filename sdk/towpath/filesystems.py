"""Places for files, for `result_storage` of flows and tasks.

@task(result_storage=LocalFileSystem(basepath="reports"))
"""

from towpath._results.filesystems import LocalFileSystem, WritableFileSystem

__all__ = ["LocalFileSystem", "WritableFileSystem"]
