"""What a pause waits for, in words; used by the explanation of paused runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from towpath_service.work.domain.json_objects import is_array, is_object

if TYPE_CHECKING:
    from towpath_service.runs.domain.pauses import Pause

MOST_NAMES: Final = 6
"""Most parts of an input that are named."""


def waits_for(pause: Pause) -> str:
    """What a paused run waits for, for people."""
    if pause.answered_us is not None:
        by = f" by {pause.actor}" if pause.actor else ""
        return f"it was resumed{by}, and is about to go on"
    names = input_names(pause.input_schema)
    return f"it waits for {', '.join(names)}" if names else "it waits to be resumed"


def resuming(pause: Pause, run_id: str) -> str:
    """The command that resumes a paused run; empty for one that was resumed."""
    if pause.answered_us is not None:
        return ""
    given = "".join(f" --input {name}=VALUE" for name in input_names(pause.input_schema))
    return f"towpath run resume {run_id}{given}"


def input_names(schema: str) -> list[str]:
    """The names that the input of a pause must have, by its JSON Schema; empty for none."""
    try:
        found: object = json.loads(schema or "{}")
    except ValueError:
        return []
    required = found.get("required") if is_object(found) else None
    return [str(name) for name in required[:MOST_NAMES]] if is_array(required) else []
