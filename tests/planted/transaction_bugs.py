"""The planted bugs of transactions and locks."""

from __future__ import annotations

from tests.planted.planting import PlantedBug

_ORDERS = "tests/unit/sdk/transactions/test_orders.py::test_transactions_do_what_the_model_does"
_TURNS = "tests/unit/sdk/results/test_turns.py"
_RECOVERY = "tests/unit/sdk/transactions/test_recovery.py"

TRANSACTION_BUGS = (
    PlantedBug(
        name="parts-are-rolled-back-in-the-order-in-which-they-were-staged",
        file="sdk/towpath/_transactions/transaction.py",
        correct="for child in reversed(children):",
        broken="for child in children:",
        caught_by=(_ORDERS,),
    ),
    PlantedBug(
        name="hooks-that-were-called-before-a-crash-are-called-again",
        file="sdk/towpath/_transactions/recovery.py",
        correct="            if index in stage.done:\n                continue\n",
        broken="",
        caught_by=(f"{_RECOVERY}::test_the_next_attempt_rolls_back_what_a_killed_one_has_staged",),
    ),
    PlantedBug(
        name="the-lock-of-a-killed-process-stays",
        file="sdk/towpath/_results/locks/files.py",
        correct="            fcntl.flock(descriptor, fcntl.LOCK_UN)\n            return None\n",
        broken=(
            "            fcntl.flock(descriptor, fcntl.LOCK_UN)\n"
            "            text = json.loads(os.read(descriptor, 1 << 16))\n"
        ),
        hangs=True,
        caught_by=(f"{_TURNS}::test_a_process_waits_for_the_one_that_computes[True]",),
    ),
)
