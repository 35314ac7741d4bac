"""Two runs that send inputs to each other; no server is needed.

python examples/conversation.py
"""

from __future__ import annotations

from threading import Thread

from towpath import flow
from towpath.input import RunInput, receive_input, send_input
from towpath.runtime import flow_run


class Question(RunInput):
    """What one run asks the other."""

    number: int


@flow
def answering(asker: str) -> int:
    """Tells the asking run its id, and squares the numbers that come.

    Args:
        asker: Id of the run that asks.
    """
    send_input({"id": flow_run.id}, asker)
    answers = 0
    for question in Question.receive(timeout=60):
        if question.number == 0:
            break
        question.respond(question.number**2)
        answers += 1
    return answers


@flow
def asking(numbers: list[int]) -> list[int]:
    """Starts the other run, and asks it for the squares of numbers.

    Args:
        numbers: The numbers.
    """
    assert flow_run.id is not None
    other = Thread(target=answering, args=(flow_run.id,))
    other.start()
    run_id = receive_input(dict, timeout=60).next()["id"]
    answers = receive_input(int, timeout=60)
    squares: list[int] = []
    for number in numbers:
        send_input(Question(number=number), run_id)
        squares.append(answers.next())
    send_input(Question(number=0), run_id)
    other.join()
    return squares


if __name__ == "__main__":
    print(asking([3, 4]))
