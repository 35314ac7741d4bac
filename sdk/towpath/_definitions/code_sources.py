"""Sources of a deployment's code, as plain values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalCode:
    """Code in a directory on the worker's machine."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GitCode:
    """Code in a git repository."""

    url: str
    """Address of the repository, without a credential."""
    ref: str = ""
    """Branch, tag or commit; empty for the default branch."""
    directory: str = ""
    """Directory in it; empty for its root."""
    credential_secret: str = ""
    """Id of the secret with the credential; empty if none is needed."""
    submodules: bool = False
    """Whether submodules are fetched, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageCode:
    """Code in Python packages."""

    requirements: tuple[str, ...]
    """Requirements as of pip, such as "pipelines==1.4"."""
    index_url: str = ""
    """Address of the package index; empty for the worker's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveCode:
    """Code in an archive, or a directory in object storage."""

    uri: str
    sha256: str = ""
    """SHA-256 of the archive, hexadecimal; empty for no check."""
    directory: str = ""
    """Directory in it; empty for its root."""


CodeSource = LocalCode | GitCode | PackageCode | ArchiveCode
"""Source of a deployment's code."""
