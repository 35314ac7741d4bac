"""Finds a function's sensitive parameters by their annotations."""

from __future__ import annotations

from functools import lru_cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, get_args, get_type_hints

from towpath._callables import annotations_of, plain_function
from towpath._redaction.patterns import REDACTED
from towpath.annotations import Sensitive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_NONE: Final[frozenset[str]] = frozenset()
_HINTS: Final = ("Sensitive", "Secret")


@lru_cache(maxsize=4096)
def sensitive_parameters(function: Callable[..., Any]) -> frozenset[str]:
    """Returns the names of a function's sensitive parameters."""
    try:
        annotations = annotations_of(plain_function(function))
    except (TypeError, ValueError):
        return _NONE
    return frozenset(
        name
        for name, annotation in annotations.items()
        if name != "return" and _is_sensitive(function, name, annotation)
    )


def shown_parameters(function: Callable[..., Any], parameters: dict[str, Any]) -> dict[str, Any]:
    """Returns a function's arguments with sensitive values replaced."""
    sensitive = sensitive_parameters(function)
    if not sensitive:
        return parameters
    return {name: _HIDDEN if name in sensitive else each for name, each in parameters.items()}


class _Hidden:
    """Replaces a sensitive value in a template; every attribute and item of it is hidden too."""

    def __getattr__(self, name: str) -> _Hidden:
        return self

    def __getitem__(self, key: object) -> _Hidden:
        return self

    def __str__(self) -> str:
        return REDACTED

    def __repr__(self) -> str:
        return REDACTED

    def __format__(self, specification: str) -> str:
        return REDACTED


_HIDDEN: Final = _Hidden()


def _is_sensitive(function: Callable[..., Any], name: str, annotation: Any) -> bool:
    texts = list(_texts_in(annotation))
    if not any(map(_hints, texts)) and not any(_may_be_alias(function, text) for text in texts):
        return is_marked(annotation)
    known: Mapping[str, Any] = getattr(plain_function(function), "__globals__", {})
    alone = SimpleNamespace(__annotations__={name: annotation})
    try:
        found = get_type_hints(alone, globalns=dict(known), include_extras=True)[name]
    except Exception:  # noqa: BLE001 - what can't be looked up may be anything
        # Hiding too much does less harm than hiding too little.
        return is_marked(annotation) or any(map(_hints, texts))
    return is_marked(found)


def _texts_in(annotation: Any) -> Iterator[str]:
    """Yields what an annotation says in words: all of it, or names that aren't defined."""
    text = getattr(annotation, "__forward_arg__", annotation)
    if isinstance(text, str):
        yield text
    for part in get_args(annotation):
        yield from _texts_in(part)


def _hints(text: str) -> bool:
    return any(hint in text for hint in _HINTS)


def _may_be_alias(function: Callable[..., Any], annotation: str) -> bool:
    """Whether a name in the module is an alias of a marked type: `Password = Annotated[...]`."""
    known: Mapping[str, Any] = getattr(plain_function(function), "__globals__", {})
    words = "".join(each if each.isidentifier() or each.isdigit() else " " for each in annotation)
    return any(is_marked(known[word]) for word in words.split() if word in known)


def is_marked(annotation: Any) -> bool:
    if annotation is Sensitive or isinstance(annotation, Sensitive):
        return True
    if isinstance(annotation, type) and (
        hasattr(annotation, "get_secret_value") or hasattr(annotation, "__towpath_sensitive__")
    ):
        return True
    metadata = getattr(annotation, "__metadata__", ())
    return any(map(is_marked, metadata)) or any(map(is_marked, get_args(annotation)))
