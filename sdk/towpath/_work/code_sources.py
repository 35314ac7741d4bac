"""Where the code of a flow is from, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

CodeKind = Literal["none", "path", "git", "pip", "archive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeSource:
    """The source of a flow's code.

    Attributes:
        kind: "none" for code that is in the run's folder already, "path", "git", "pip" or
            "archive".
        location: A folder, the address of a repository, or the path or address of an archive.
        ref: Branch, tag or commit of a repository; empty for its default branch.
        directory: Folder within a repository or an archive.
        submodules: Whether to check out a repository's submodules.
        credential: Id of the secret that opens a repository or an archive; empty for none.
        sha256: Digest of an archive, in hexadecimal; empty not to check it.
        requirements: Requirements, as lines of a requirements file.
    """

    kind: CodeKind = "none"
    location: str = ""
    ref: str = ""
    directory: str = ""
    submodules: bool = False
    credential: str = ""
    sha256: str = ""
    requirements: tuple[str, ...] = ()

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Self:
        """Reads what `asdict` made of a source and JSON kept of it."""
        known = {name: value[name] for name in cls.__dataclass_fields__ if name in value}
        whole: dict[str, Any] = {**known, "requirements": tuple(value["requirements"])}
        return cls(**whole)
