"""Messages for arguments that don't fit: short, complete, and without sensitive values."""

from __future__ import annotations

import reprlib
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, get_args

from towpath._redaction import REDACTED, LiveSecrets
from towpath._redaction.forms import texts_in
from towpath._redaction.holding import guarded_parameters, shows_sensitive
from towpath._runs.context import current_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from inspect import Signature

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

PREFIX: Final = "p_"
"""Prefix of parameters' names in the model, where some names are reserved."""
_MOST_CHARACTERS: Final = 5_000
_MOST_OF_A_VALUE: Final = 200
_MOST_OF_A_REASON: Final = 300
_MOST_TEXTS: Final = 10_000
_TELLING: Final = frozenset({"value_error", "assertion_error", "union_tag_invalid", "json_invalid"})
"""Kinds of errors whose text may hold the input, beside those that validators make up."""


class _Short(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 4
        self.maxdict = self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = 20
        self.maxstring = self.maxother = self.maxlong = _MOST_OF_A_VALUE


def short_repr(value: Any) -> str:
    """Returns a short repr of a value for messages, even if its own repr is long or fails."""
    try:
        shown = _Short().repr(value)
    except Exception:  # noqa: BLE001 - a repr may raise anything
        shown = f"<{type(value).__qualname__}>"
    return _cut(shown, _MOST_OF_A_VALUE)


def misfit_message(
    error: ValidationError, function: Callable[..., Any], parameters: dict[str, Any]
) -> str:
    """Returns the message for all arguments that don't fit.

    Args:
        error: The errors that pydantic found.
        function: The function of the flow.
        parameters: The arguments.
    """
    secrets = _secrets_of(function, parameters)
    reasons: list[str] = []
    count, length = error.error_count(), 0
    for detail in _details(error):
        reasons.append(secrets.text(_described(detail, function)))
        length += len(reasons[-1])
        if length > _MOST_CHARACTERS:
            break
    if len(reasons) < count:
        reasons.append(f"and {count - len(reasons)} more")
    return "; ".join(reasons)


def shown_signature(function: Callable[..., Any], signature: Signature) -> str:
    """Returns a signature for messages, with short defaults and hidden sensitive ones."""
    guarded = guarded_parameters(function)
    parameters = [
        each
        if each.default is each.empty
        else each.replace(default=_Shown(REDACTED if name in guarded else _shown(each.default)))
        for name, each in signature.parameters.items()
    ]
    return _cut(str(signature.replace(parameters=parameters)), _MOST_CHARACTERS)


class _Shown:
    """An object whose repr is a given text."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def _details(error: ValidationError) -> Iterator[ErrorDetails]:
    yield from error.errors(include_url=False, include_context=False)


def _described(detail: ErrorDetails, function: Callable[..., Any]) -> str:
    first, *places = detail["loc"]
    name = str(first).removeprefix(PREFIX)
    labels = guarded_parameters(function).get(name)
    reason = _cut(detail["msg"], _MOST_OF_A_REASON)
    if labels is None:
        where = "".join(f"[{short_repr(place)}]" for place in places)
        return (
            f"parameter {name!r}{_cut(where, _MOST_OF_A_REASON)}: {reason}, but got"
            f" {_shown(detail['input'])}"
        )
    where = "".join(
        f"[{place!r}]" if isinstance(place, int) or place in labels else f"[{REDACTED}]"
        for place in places
    )
    if detail["type"] in _TELLING or detail["type"] not in _known_types():
        reason = "its validator refuses it"
    return f"parameter {name!r}{_cut(where, _MOST_OF_A_REASON)}: {reason}, but got {REDACTED}"


def _known_types() -> tuple[str, ...]:
    from pydantic_core.core_schema import ErrorType  # noqa: PLC0415 - loaded with pydantic's error

    return get_args(ErrorType)


def _shown(value: Any) -> str:
    return REDACTED if shows_sensitive(value) else short_repr(value)


def _secrets_of(function: Callable[..., Any], parameters: dict[str, Any]) -> LiveSecrets:
    """Returns the sensitive values of the run around the call, and of guarded arguments."""
    run = current_run.get()
    secrets = LiveSecrets(run.secrets.values if run is not None else ())
    for name in guarded_parameters(function):
        secrets.add_texts(islice(texts_in(parameters.get(name)), _MOST_TEXTS))
    return secrets


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
