"""Logins of devices without a browser: begun by the device, approved by a person elsewhere."""

from __future__ import annotations

import platform
import time
from typing import TYPE_CHECKING, Final

from towpath._display.words import printable
from towpath.cli.shared.errors import NOT_FOUND, TIMED_OUT, CommandError
from towpath.cli.shared.session import confirmed, note, service_client
from towpath.exceptions import NotFound, RpcError

if TYPE_CHECKING:
    from towpath.client import Client, Login, WaitingSignIn

_NAME_LENGTH: Final = 100
_WAITING: Final = frozenset({"SIGN_IN_PENDING", "QUOTA_EXCEEDED"})


def sign_in_device(client: Client) -> Login:
    """Begins a login on this device, and waits until a person approves it.

    Args:
        client: A client that calls without a credential.

    Raises:
        CommandError: No person approves it in time.
    """
    name = inert(f"towpath on {platform.node()}")[:_NAME_LENGTH]
    begun = client.sign_in.start_device(name)
    note(
        f"Where you are signed in, run\n\n    towpath login --approve {begun.user_code}\n\nor ask a"
        " person to run it; this device then acts as that person."
    )
    ends_at = time.monotonic() + begun.expires_in_seconds
    while time.monotonic() < ends_at:
        time.sleep(begun.interval_seconds)
        try:
            return client.sign_in.exchange_device_code(begun.device_code)
        except RpcError as error:
            if error.reason not in _WAITING:
                raise
    raise CommandError(
        "the login was not approved in time",
        hint="run `towpath login --device` again",
        code="SIGN_IN_EXPIRED",
        exit_code=TIMED_OUT,
    )


def approve_device(code: str, *, yes: bool) -> None:
    """Signs in the device that shows a code, as the caller.

    Args:
        code: The code that the device shows.
        yes: Approve without a question.

    Raises:
        CommandError: No login waits for this code.
    """
    with service_client() as client:
        try:
            found = client.sign_in.waiting_device(code)
        except NotFound:
            raise CommandError(
                f"no login waits for the code {code}",
                hint="a code works once, for 10 minutes: compare it with the one on the device",
                code="NOT_FOUND",
                exit_code=NOT_FOUND,
            ) from None
        if confirmed(question_about(found), yes=yes):
            client.sign_in.approve_device(code)
            note(f"{inert(found.client_name) or 'the device'} is signed in")


def question_about(found: WaitingSignIn) -> str:
    """What a person is asked before approving: the service's facts first, then the device's."""
    since = found.created.strftime("%H:%M:%S")
    address = inert(found.client_address) or "an unknown address"
    name = inert(found.client_name)
    calls_itself = f', which calls itself "{name}",' if name else ""
    return (
        f"A device at {address}{calls_itself} began a login at {since} UTC. Approve it only if you"
        " began it yourself. Sign it in as you?"
    )


def inert(text: str) -> str:
    """A text without control characters and without characters that change its order."""
    return "".join(char if char.isprintable() else "\ufffd" for char in printable(text))
