"""Builds and pushes the images of deployments, by the user's docker, podman or buildah."""

from __future__ import annotations

import shutil
import subprocess
import sys
import warnings
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, cast

from towpath._definitions.code_sources import LocalCode
from towpath.exceptions import DefinitionError, ImageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from towpath.client import DeploymentSpec

TOOLS: Final = ("docker", "podman", "buildah")
"""Programs that build images, the preferred one first."""

_IMAGE: Final = "image"
_WITHOUT_IMAGES: Final = frozenset({"process"})
"""Kinds of pools whose runs use no image."""
_LAST_LINES: Final = 20
_BUILD_OPTIONS: Final = ("buildargs", "labels", "nocache", "platform", "pull", "target")


class DockerImage:
    """An image with a flow's code, which `deploy` builds and pushes.

    Attributes:
        name: Repository, with its registry.
        tag: Its tag; empty for the time of the build, or for none where nothing is built.
        dockerfile: Its recipe, relative to the folder that `deploy` is called in.
        build_kwargs: Options of the build.
    """

    def __init__(
        self, name: str, tag: str | None = None, dockerfile: str = "auto", **build_kwargs: Any
    ) -> None:
        """Describes an image; nothing is built yet.

        Args:
            name: Repository, with its registry, such as `registry.example.com/flows`; may end
                with a tag.
            tag: Its tag; None for the time of the build.
            dockerfile: Its recipe; "auto" for `Dockerfile` in the folder.
            **build_kwargs: `buildargs` and `labels`, which map names to texts; `target` and
                `platform`, texts; `nocache` and `pull`, flags.

        Raises:
            DefinitionError: The name has another tag, or an option is unknown.
        """
        given: Any = name
        if not isinstance(given, str) or not given.strip() or given.startswith("-"):
            raise DefinitionError(f"an image is named by a text, not {given!r}")
        bare, own = _split(given)
        if own and tag and own != tag:
            raise DefinitionError(f"the image {given} has the tag {own}, and tag={tag!r} is given")
        self.name = bare
        self.tag = tag or own
        self.dockerfile = "Dockerfile" if dockerfile == "auto" else dockerfile
        self.build_kwargs = dict(build_kwargs)
        self._flags = tuple(_flags(build_kwargs))

    def __repr__(self) -> str:
        """The image as code."""
        return f"DockerImage({self.name!r}, tag={self.tag!r}, dockerfile={self.dockerfile!r})"

    @property
    def build_flags(self) -> Sequence[str]:
        """Options of the build as words of a command."""
        return self._flags


def _split(name: str) -> tuple[str, str]:
    """A name and its tag; a registry's port is no tag, and a digest belongs to the name."""
    start, colon, tag = name.rpartition(":")
    return (start, tag) if colon and "/" not in tag and "@" not in start else (name, "")


def _flags(options: Mapping[str, Any]) -> list[str]:
    words: list[str] = []
    for name, value in options.items():
        if name not in _BUILD_OPTIONS:
            known = ", ".join(_BUILD_OPTIONS)
            raise DefinitionError(f"DockerImage has no build option {name!r}; it has {known}")
        if name in {"buildargs", "labels"}:
            if not isinstance(value, Mapping):
                raise DefinitionError(f"{name} maps names to texts")
            pairs = cast("Mapping[str, Any]", value)
            flag = "--build-arg" if name == "buildargs" else "--label"
            words += [word for key, text in pairs.items() for word in (flag, f"{key}={text}")]
        elif name in {"nocache", "pull"}:
            words += ["--no-cache" if name == "nocache" else "--pull"] if value else []
        elif value:
            words += [f"--{name}", str(value)]
    return words


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRequest:
    """The image that a deployment asks for, and what is done for it."""

    image: DockerImage
    reference: str
    """The image as registries know it, "name:tag"."""
    build: bool
    push: bool


def request_of(
    options: Mapping[str, Any], *, image: Any = None, build: bool = True, push: bool = True
) -> ImageRequest | None:
    """Returns the image that a deployment's options ask for; None without one.

    Args:
        options: The deployment's options, whose `image`, `build` and `push` win.
        image: The image of deployments that name none.
        build: Whether it is built.
        push: Whether it is pushed once it is built.

    Raises:
        DefinitionError: It is no image, has a digest though it is to be built, or a job variable
            names another.
    """
    found: Any = options.get(_IMAGE) or image
    if not found:
        return None
    if not isinstance(found, (str, DockerImage)):
        raise DefinitionError(f"image is a text or a DockerImage, not {found!r}")
    chosen = DockerImage(found) if isinstance(found, str) else found
    builds = options.get("build", build)
    if builds and "@" in chosen.name:
        raise DefinitionError(f"{chosen.name} has a digest, so it can't be built: give build=False")
    tag = chosen.tag or (_time_tag() if builds else "")
    reference = f"{chosen.name}:{tag}" if tag else chosen.name
    variables: Mapping[str, Any] = options.get("job_variables") or {}
    variable = variables.get(_IMAGE)
    if variable is not None and variable != reference:
        raise DefinitionError(
            f"image is {reference}, but the job variable image is {variable}: give one of them"
        )
    pushes = builds and options.get("push", push)
    return ImageRequest(image=chosen, reference=reference, build=builds, push=pushes)


def _time_tag() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dt%H-%M-%Sz")


def with_images(
    wanted: Sequence[tuple[DeploymentSpec, ImageRequest | None]],
    root: Path,
    kind_of: Callable[[str], str],
    tool: str = "auto",
) -> list[DeploymentSpec]:
    """Builds and pushes what deployments need, each image once, and returns them with it.

    A deployment whose code is the project's folder takes the code of the image.

    Args:
        wanted: Deployments, each with the image that it asks for.
        root: Folder of the project, in which images are built.
        kind_of: Gives the kind of a work pool.
        tool: Program to build with; "auto" for the first of `TOOLS` on PATH.

    Raises:
        ImageError: There is no such program or recipe, or the program fails.
    """
    kinds = {spec.pool: kind_of(spec.pool) for spec, request in wanted if request}
    made: list[DeploymentSpec] = []
    needed: dict[str, ImageRequest] = {}
    for spec, request in wanted:
        if request is None:
            made.append(spec)
        elif kinds[spec.pool] in _WITHOUT_IMAGES:
            text = f"image is ignored: runs of the pool {spec.pool} are processes, not containers"
            warnings.warn(text, stacklevel=3)
            made.append(spec)
        else:
            needed.setdefault(request.reference, request)
            local = spec.code == LocalCode(path=str(root))
            overrides = {**spec.job_overrides, _IMAGE: request.reference}
            made.append(replace(spec, job_overrides=overrides, code=None if local else spec.code))
    to_build = [each for each in needed.values() if each.build]
    if to_build:
        program = _program(tool)
        for each in to_build:
            _built(program, each, root)
        # Nothing is pushed until all are built.
        for each in to_build:
            if each.push:
                _run(program, "push", [each.reference], each.reference, root)
    return made


def _program(tool: str) -> str:
    names = TOOLS if tool == "auto" else (tool,)
    found = next((name for name in names if shutil.which(name)), None)
    if found is None:
        listed = "docker, podman or buildah" if tool == "auto" else tool
        raise ImageError(
            f"there is no {listed} on PATH to build the image with: install it, or name an image"
            " that a registry has, with build=False or --no-build"
        )
    return found


def _built(program: str, request: ImageRequest, root: Path) -> None:
    recipe = root / request.image.dockerfile
    if not recipe.is_file():
        raise ImageError(
            f"the image {request.reference} has no recipe {recipe}: write it, or name another by"
            " DockerImage(..., dockerfile=...)"
        )
    words = ["-t", request.reference, "-f", str(recipe), *request.image.build_flags, str(root)]
    _run(program, "build", words, request.reference, root)


def _run(program: str, step: str, words: Sequence[str], reference: str, root: Path) -> None:
    """Runs the program; its output goes to stderr as it comes."""
    print(f"{program} {step} {reference}", file=sys.stderr)  # noqa: T201 - tells what takes long
    last: deque[str] = deque(maxlen=_LAST_LINES)
    with subprocess.Popen(  # noqa: S603 - a program that the user has for it
        [program, step, *words],
        cwd=root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                sys.stderr.write(line)
                last.append(line.rstrip())
        except BaseException:
            process.terminate()
            raise
    if process.returncode:
        said = "\n".join(last) or "it printed nothing"
        raise ImageError(
            f"{program} {step} of {reference} ended with {process.returncode}; its last lines:\n"
            f"{said}"
        )
