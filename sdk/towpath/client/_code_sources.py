"""Converts sources of a deployment's code between messages and values."""

from __future__ import annotations

from towpath._definitions.code_sources import (
    ArchiveCode,
    CodeSource,
    GitCode,
    LocalCode,
    PackageCode,
)
from towpath.api.v1 import deployment_pb2 as pb

__all__ = [
    "ArchiveCode",
    "CodeSource",
    "GitCode",
    "LocalCode",
    "PackageCode",
    "from_code",
    "to_code",
]


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
