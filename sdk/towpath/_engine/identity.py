"""Identities of tasks in cache keys, which differ even for tasks that share a name."""

from __future__ import annotations

import hashlib
import inspect
import sys
from contextlib import suppress
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final, cast
from weakref import WeakKeyDictionary

from towpath._callables import plain_function
from towpath._class_cache import class_of
from towpath._results.cache_policies import code_bytes
from towpath._results.hashing import stable_hash
from towpath._results.naming import certain_name
from towpath._results.scalars import NotEncodableError, writer_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_digests: WeakKeyDictionary[Callable[..., Any], str] = WeakKeyDictionary()

_scripts: Final[set[str]] = set()


def read_as_script(module: str) -> None:
    """Has the tasks of an imported module be the same as those of its file, run as a script."""
    _scripts.add(module)


def identity_of(task: Any) -> str:
    """The identity of a task: equal in every process, different for different tasks.

    Lambdas of one module share a name, and so do the tasks that a function makes: their code
    counts, and the constants that they have caught.
    """
    function = plain_function(task.fn)
    key = str(task.task_key)
    module = str(task.__module__)
    if module == "__main__" or module in _scripts:
        # Scripts all call their module __main__, so their file counts.
        key = f"{_file_of(function)}:__main__{key.removeprefix(module)}"
    return f"{key}:{_digest_of(function)}" if "<" in key and _is_plain(function) else key


def _file_of(function: Any) -> str:
    with suppress(TypeError):  # of a builtin, as the method of a script's class
        return inspect.getfile(function)
    return str(getattr(sys.modules["__main__"], "__file__", ""))


def _is_plain(function: Any) -> bool:
    return isinstance(function, FunctionType)


def _digest_of(function: FunctionType) -> str:
    """A hash of a function's code and of what it has caught, as of the first call of this."""
    known = _digests.get(function)
    if known is None:
        content = "\n".join(_content_of(function, ()))
        known = _digests[function] = hashlib.sha256(content.encode()).hexdigest()[:16]
    return known


def _content_of(function: FunctionType, around: tuple[FunctionType, ...]) -> Iterator[str]:
    yield code_bytes(function.__code__).hex()
    if function in around:  # functions that hold each other
        return
    for cell in function.__closure__ or ():
        try:
            value = cell.cell_contents
        except ValueError:  # not set yet
            continue
        if isinstance(value, FunctionType) and certain_name(value) is None:
            yield from _content_of(value, (*around, function))
        elif _is_constant(value):
            # What can be changed, such as a list, doesn't count.
            with suppress(NotEncodableError):
                yield stable_hash(value)


def _is_constant(value: Any) -> bool:
    if type(value) in {tuple, frozenset}:
        return all(map(_is_constant, cast("tuple[Any, ...]", value)))
    return writer_of(class_of(value)) is not None or isinstance(value, type | FunctionType)
