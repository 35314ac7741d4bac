"""Places for files, for `result_storage` of flows and tasks.

@task(result_storage=LocalFileSystem(basepath="reports"))
"""

from typing import TYPE_CHECKING

from towpath._prefect_names.refusals import refusing
from towpath._results.filesystems import LocalFileSystem, WritableFileSystem

__all__ = ["LocalFileSystem", "WritableFileSystem"]

if not TYPE_CHECKING:
    __getattr__ = refusing(__name__)
