"""The process of a run: `python -m towpath._work.entry FOLDER`, as the shim starts it.

It exits 0 for COMPLETED, 1 for FAILED and CRASHED, 7 for CANCELLED, 124 for TIMED_OUT, 75 when the
run has passed to another process, and 2 when its code or its parameters can't be loaded.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar, cast

from towpath._definitions.leased import arguments_of, run_leased
from towpath._engine.flow_run_start import RunLease
from towpath._redaction.live import LiveSecrets
from towpath._runs.open_runs import cancel
from towpath._runs.replay import replay_of
from towpath._settings.current import get_settings
from towpath._state_type import StateType
from towpath._values.secret import Secret
from towpath._values.variable import Variable
from towpath._values.variable_json import value_as_json
from towpath._work import proof
from towpath._work.code import CodeError, prepare
from towpath._work.environment import REFERENCE
from towpath._work.folders import RunFolder
from towpath._work.loading import LoadError, load_flow
from towpath.exceptions import ParameterError, ServerUnreachable, TowpathError, VariableError

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Mapping

    from towpath._work.code import Code
    from towpath._work.folders import Job

Result = TypeVar("Result")

_NONE: Final = object()
_EXIT_CODES: Final = {
    StateType.COMPLETED: proof.COMPLETED,
    StateType.CANCELLED: proof.CANCELLED,
    StateType.TIMED_OUT: proof.TIMED_OUT,
}
_TRY_AGAIN_SECONDS: Final = (0.5, 1.0, 2.0, 4.0, 8.0)
_DEADLINE: Final = "DEADLINE"
_REASONS: Final = {
    "STOP_REQUESTED": "its worker stopped its process",
    _DEADLINE: "its process took longer than its deadline",
    "LOST_CONTACT": "its worker had no contact to the service",
    "SHUTDOWN": "its machine shuts down, or its supervisor was told to end",
}
"""What a run says of the reasons for which the shim sends SIGTERM."""
_TOLD_TO_END: Final = "its process was told to end"


class Values:
    """The values of the secrets and variables that a job names."""

    def __init__(self) -> None:
        """Loads nothing yet."""
        self.hidden: Final = LiveSecrets()
        self._secrets: dict[str, str] = {}
        self._variables: dict[str, Any] = {}

    def secret(self, name: str) -> str:
        """Returns a secret's value.

        Raises:
            TowpathError: The service doesn't give it.
        """
        if name not in self._secrets:
            text = _asked(lambda: Secret.load(name)).get()
            self.hidden.add_texts([text])
            self._secrets[name] = text
        return self._secrets[name]

    def variable(self, name: str) -> Any:
        """Returns a variable's value.

        Raises:
            TowpathError: There is none, or the service doesn't give it.
        """
        if name not in self._variables:
            value = _asked(lambda: Variable.get(name, _NONE))
            if value is _NONE:
                raise VariableError(
                    f"there is no variable {name!r}: `towpath variable set {name}` it"
                )
            self._variables[name] = value
        return self._variables[name]

    def resolved(self, value: Any) -> Any:
        """Returns a JSON value with values in place of "{{ secrets.NAME }}" and variables.

        A text that is nothing but the name of a variable becomes its value, of any kind.

        Raises:
            TowpathError: As of `secret` and `variable`.
        """
        if isinstance(value, str):
            whole = REFERENCE.fullmatch(value)
            if whole and whole["variable"]:
                return self.variable(whole["variable"])
            return REFERENCE.sub(self._text, value)
        if isinstance(value, dict):
            named = cast("dict[str, Any]", value)
            return {key: self.resolved(each) for key, each in named.items()}
        if isinstance(value, list):
            held: list[Any] = [*value]
            return [self.resolved(each) for each in held]
        return value

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """Returns environment variables with values as in `resolved`, all of them texts."""
        return {name: REFERENCE.sub(self._text, value) for name, value in given.items()}

    def _text(self, found: re.Match[str]) -> str:
        if found["secret"]:
            return self.secret(found["secret"])
        value = self.variable(found["variable"])
        return value if isinstance(value, str) else value_as_json(found["variable"], value)


class Termination:
    """SIGTERM: before the run begins it ends the process, from then on it ends the run."""

    def __init__(self, run_id: str, folder: RunFolder) -> None:
        """Takes the signal from now on.

        Args:
            run_id: The run.
            folder: Its folder, in which the shim says why.
        """
        self._run_id = run_id
        self._folder = folder
        self._begun = False
        signal.signal(signal.SIGTERM, self._take)

    def begin(self) -> None:
        """Notes that the run begins."""
        self._begun = True

    def _take(self, number: int, frame: object) -> None:
        del number, frame
        if not self._begun:
            raise SystemExit(proof.CANCELLED)
        # Locks that this thread holds now may be needed for it.
        threading.Thread(target=self._cancel, name="towpath-sigterm", daemon=True).start()

    def _cancel(self) -> None:
        reason = self._folder.stop_reason()
        message = _REASONS.get(reason, _TOLD_TO_END)
        while not cancel(self._run_id, message, timed_out=reason == _DEADLINE):
            time.sleep(0.01)  # It is about to begin, or has ended.


def execute(folder: RunFolder) -> int:
    """Executes the run of a folder; returns the exit code of its process."""
    job = folder.job()
    termination = Termination(job.run_id, folder)
    values = Values()
    try:
        code = prepare(
            job.code,
            job.process.directory,
            home=get_settings().home,
            own=folder.path / "code",
            secret=values.secret,
        )
        if code.python is not None and not code.is_active:
            _replace_process(code.python, folder)
        parameters = _settled(job, code, values)
        flow = load_flow(job.entrypoint, code.directory)
        arguments = arguments_of(flow, parameters)
    except (LoadError, CodeError, ParameterError, TowpathError) as error:
        return _not_loaded(error, values.hidden)
    lease = RunLease(
        run_id=job.run_id,
        attempt=job.attempt,
        fence=job.fence,
        parent_run_id=job.parent_run_id,
        root_run_id=job.root_run_id,
        code_version=code.version,
        secrets=values.hidden,
        timeout_seconds=job.process.timeout_seconds,
        replay=replay_of(job.from_tasks, job.from_attempt),
    )
    termination.begin()
    run = run_leased(flow, arguments, lease)
    if run.abandoned:
        return proof.LEFT
    _show_failure(run.state.exception, values.hidden)
    return _EXIT_CODES.get(run.state.type, proof.FAILED)


def _settled(job: Job, code: Code, values: Values) -> Mapping[str, Any]:
    """Enters the code's folder, sets variables that name values, and resolves parameters."""
    os.environ.update(values.environment(job.environment))
    os.chdir(code.directory)
    sys.argv[:] = [job.entrypoint]
    parameters: dict[str, Any] = values.resolved(dict(job.parameters))
    return parameters


def _asked(ask: Callable[[], Result]) -> Result:
    """What the service answers; one that is away is asked again for some seconds."""
    for seconds in _TRY_AGAIN_SECONDS:
        try:
            return ask()
        except ServerUnreachable:
            time.sleep(seconds)
    return ask()


def _replace_process(python: Path, folder: RunFolder) -> NoReturn:
    """Goes on with the interpreter of the code's own environment, under the same number."""
    arguments = [str(python), "-P", "-m", __spec__.name, str(folder.path)]
    os.execv(python, arguments)  # noqa: S606 - no shell


def _not_loaded(error: Exception, hidden: LiveSecrets) -> int:
    sys.stderr.write(hidden.redacted(f"{proof.CANNOT_START}{error}\n"))
    return proof.START_FAILED


def _show_failure(error: BaseException | None, hidden: LiveSecrets) -> None:
    """Writes what a script's process would write of an exception that nothing caught."""
    if error is not None:
        sys.stderr.write(hidden.redacted("".join(traceback.format_exception(error))))


if __name__ == "__main__":
    sys.exit(execute(RunFolder(Path(sys.argv[1]))))
