"""The input that a paused run waits for, as a Pydantic model."""

from __future__ import annotations

import json
from typing import Any, ClassVar, Self, cast

from pydantic import BaseModel, ValidationError, create_model

from towpath.exceptions import DefinitionError

VALUE = "value"
"""Name of the one field of an input of a plain type."""


class RunInput(BaseModel):
    """Input of a paused run, by name and type: subclass it, and give the class as `wait_for_input`.

    A field without a default must be given when the run is resumed.
    """

    description: ClassVar[str] = ""
    """What is asked for, shown to those who may resume the run."""

    @classmethod
    def with_initial_data(cls, description: str | None = None, **initial: Any) -> type[Self]:
        """Returns this class with other defaults; the answer may give other values.

        Args:
            description: What is asked for, for people; None for none.
            **initial: Defaults by field.

        Raises:
            DefinitionError: There is no such field.
        """
        unknown = initial.keys() - cls.model_fields.keys()
        if unknown:
            raise DefinitionError(f"{cls.__name__} has no field {', '.join(sorted(unknown))}")
        fields: dict[str, Any] = {
            name: (cls.model_fields[name].annotation, value) for name, value in initial.items()
        }
        made = create_model(cls.__name__, __base__=cls, **fields)
        made.description = description or ""
        return made


class InputType:
    """What a pause waits for."""

    def __init__(self, wanted: Any) -> None:
        """Takes the type.

        Args:
            wanted: A Pydantic model, or any type that Pydantic supports; None for no input.

        Raises:
            DefinitionError: Pydantic has no JSON Schema for it.
        """
        self._plain = not (isinstance(wanted, type) and issubclass(wanted, BaseModel))
        self._model: type[BaseModel] | None = None
        if wanted is None:
            return
        name: str = getattr(cast("Any", wanted), "__name__", "Input")
        fields: dict[str, Any] = {VALUE: (wanted, ...)}
        try:
            self._model = create_model(name, **fields) if self._plain else wanted
            self.schema()
        except Exception as error:
            raise DefinitionError(f"wait_for_input={wanted!r}: {error}") from error

    @property
    def description(self) -> str:
        """What is asked for, for people."""
        described = self._model is not None and issubclass(self._model, RunInput)
        return cast("type[RunInput]", self._model).description if described else ""

    def schema(self) -> str:
        """The JSON Schema of the input; empty for none."""
        return "" if self._model is None else json.dumps(self._model.model_json_schema())

    def read(self, text: str) -> Any:
        """Returns the input that a pause was answered with.

        Args:
            text: A JSON object; empty for an empty one.

        Raises:
            DefinitionError: It doesn't fit: the model has validators of its own that refuse it.
        """
        if self._model is None:
            return None
        try:
            found = self._model.model_validate_json(text or "{}")
        except ValidationError as error:
            raise DefinitionError(f"the input of the run doesn't fit: {error}") from error
        return getattr(found, VALUE) if self._plain else found
