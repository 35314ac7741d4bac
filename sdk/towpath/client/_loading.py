"""The subjects of a client, each loaded when it is first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from towpath.client._calls import Subject

if TYPE_CHECKING:
    from collections.abc import Callable

SubjectT = TypeVar("SubjectT", bound=Subject)


class Loaded(Generic[SubjectT]):
    """An attribute of a client that holds one subject.

    A command uses one or two of the subjects, and to load all of them takes longer than a call.
    """

    def __init__(self, home: str) -> None:
        """Loads nothing yet.

        Args:
            home: Module and class, "towpath.client._keys:Keys".
        """
        self._home = home
        self._name = ""

    def __set_name__(self, owner: type[Subject], name: str) -> None:
        self._name = name

    def __get__(self, client: Subject, owner: type[Subject]) -> SubjectT:
        module, _, name = self._home.partition(":")
        kind = cast("Callable[..., SubjectT]", getattr(import_module(module), name))
        subject = kind(client.transport, workspace=client.workspace)
        vars(client)[self._name] = subject
        return subject
