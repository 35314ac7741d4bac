"""Sources of a deployment's code, as plain values."""

from __future__ import annotations

from dataclasses import dataclass

from towpath.api.v1 import deployment_pb2 as pb


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


def to_code(code: CodeSource) -> pb.CodeSource:
    """The message of a source."""
    match code:
        case LocalCode():
            return pb.CodeSource(local_path=code.path)
        case GitCode():
            git = pb.GitSource(
                url=code.url,
                ref=code.ref,
                directory=code.directory,
                credential_secret=code.credential_secret,
                submodules=code.submodules,
            )
            return pb.CodeSource(git=git)
        case PackageCode():
            packages = pb.PackageSource(requirements=code.requirements, index_url=code.index_url)
            return pb.CodeSource(packages=packages)
        case ArchiveCode():
            archive = pb.ArchiveSource(uri=code.uri, sha256=code.sha256, directory=code.directory)
            return pb.CodeSource(archive=archive)


def from_code(message: pb.CodeSource) -> CodeSource | None:
    """The source of a message; None for one of a kind that this version doesn't know."""
    match message.WhichOneof("source"):
        case "local_path":
            return LocalCode(path=message.local_path)
        case "git":
            git = message.git
            return GitCode(
                url=git.url,
                ref=git.ref,
                directory=git.directory,
                credential_secret=git.credential_secret,
                submodules=git.submodules,
            )
        case "packages":
            packages = message.packages
            return PackageCode(
                requirements=tuple(packages.requirements), index_url=packages.index_url
            )
        case "archive":
            archive = message.archive
            return ArchiveCode(uri=archive.uri, sha256=archive.sha256, directory=archive.directory)
        case _:
            return None
