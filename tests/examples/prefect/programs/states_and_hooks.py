"""Runs end as their code says, and hooks hear of it."""

from typing import Any

from towpath import flow, task
from towpath.states import Cancelled, Completed, Failed

heard: list[str] = []


def note(definition: Any, run: Any, state: Any) -> None:
    heard.append(f"{definition.name} {state.name}: {state.message}")


@task(on_failure=[note], on_completion=[note])
def inspect(part: int) -> Any:
    if part == 0:
        return Failed(message="part 0 is broken")
    return Completed(message="part is fine", data=part * 2)


@flow(on_completion=[note])
def idle(day: str) -> Any:
    return Completed(message="nothing to do", name="Idle")


@flow
def stopped(day: str) -> Any:
    return Cancelled(message="by hand")


@flow(on_failure=[note])
def night(parts: list[int]) -> Any:
    return [inspect(part, return_state=True) for part in parts]


if __name__ == "__main__":
    print(inspect(3, return_state=True).result())
    print(idle("monday", return_state=True).type.value)
    print(stopped("tuesday", return_state=True).is_cancelled())
    state = night([1, 0], return_state=True)
    print(state.is_failed(), state.name)
    for line in heard:
        print(line.partition(":")[0] if line.startswith("night") else line)
