"""Deployments, as they are stored.

All that an author gives is the content of an immutable revision. A change that differs makes the
next revision, so that runs keep what they were created with, and deploying again changes nothing.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

from towpath_service.core.errors import invalid
from towpath_service.work.domain.json_objects import parse_object
from towpath_service.work.domain.names import DeploymentName, PoolName
from towpath_service.work.domain.pools import DEFAULT_QUEUE

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_DEPLOYMENTS: Final = 10_000
"""Most deployments of a tenant."""
MOST_PARAMETER_BYTES: Final = 64 * 1024
"""Largest arguments of a deployment or a schedule: bytes of JSON."""
MOST_SCHEMA_BYTES: Final = 128 * 1024
"""Largest JSON Schema of parameters: bytes."""
MIDDLE_PRIORITY: Final = 50
"""Priority of runs whose deployment gives none."""

# Over HTTP even a name may be a token; of SSH, it is "git".
_CREDENTIAL: Final = re.compile(r"https?://[^/@\s]*@|://[^/@\s]*:[^/@\s]*@", re.IGNORECASE)


class CollisionStrategy(IntEnum):
    """What becomes of a run that meets the full limit; numbered as in the contract."""

    ENQUEUE = 1
    """It waits."""
    CANCEL_NEW = 2
    """It is cancelled."""


class LostContact(IntEnum):
    """What a process does that has lost contact; numbered as in the contract."""

    CONTINUE = 1
    STOP = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentContent:
    """The part of a deployment that its author gives."""

    entrypoint: str
    flow_name: str = ""
    description: str = ""
    code_source: str = ""
    """CodeSource as JSON text; empty for code that is at the worker already."""
    pool_id: str = ""
    """Empty for a deployment that no worker executes."""
    queue_id: str = ""
    """Empty without a pool only."""
    job_overrides: str = ""
    """JSON object; empty for none."""
    parameters: str = ""
    """JSON object of the default arguments; empty for none."""
    parameter_schema: str = ""
    """JSON Schema of the arguments; empty for any."""
    enforce_parameter_schema: bool = False
    paused: bool = False
    concurrency_limit: int = 0
    """Most runs leased at once; 0 for no limit."""
    collision_strategy: CollisionStrategy = CollisionStrategy.ENQUEUE
    max_crash_retries: int = 0
    on_lost_contact: LostContact = LostContact.CONTINUE
    timeout_us: int | None = None
    start_deadline_us: int | None = None
    """How long after it was due a run may start; None for any time."""
    priority: int = MIDDLE_PRIORITY
    """Priority of its runs, 1 to 100."""
    secrets: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    code_version: str = ""

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the arguments; empty for any; raises INVALID_REQUEST."""
        return parse_object(
            self.parameter_schema,
            "deployment.parameter_schema_json",
            most_bytes=MOST_SCHEMA_BYTES,
        )

    @property
    def enforced_schema(self) -> dict[str, Any] | None:
        """The JSON Schema that the arguments of each run must fit; None for none."""
        return self.schema if self.enforce_parameter_schema else None

    def merged_parameters(self, *given: str, where: str = "parameters") -> dict[str, Any]:
        """The default arguments with others merged over them, one after the other.

        Args:
            given: JSON objects of the others; empty for none.
            where: The field that the others were given in, for the error.

        Raises:
            ServiceError: INVALID_REQUEST: they are no JSON object; PAYLOAD_TOO_LARGE.
        """
        merged = parse_object(
            self.parameters, "deployment.parameters", most_bytes=MOST_PARAMETER_BYTES
        )
        for text in given:
            merged |= parse_object(text, where, most_bytes=MOST_PARAMETER_BYTES)
        return merged

    def to_json(self) -> str:
        """Its text, equal for equal contents."""
        return json.dumps(asdict(self), separators=(",", ":"), sort_keys=True)

    @staticmethod
    def from_json(text: str) -> DeploymentContent:
        """The content of a text of `to_json`."""
        known: dict[str, Any] = json.loads(text)
        known["collision_strategy"] = CollisionStrategy(known["collision_strategy"])
        known["on_lost_contact"] = LostContact(known["on_lost_contact"])
        known["secrets"], known["tags"] = tuple(known["secrets"]), tuple(known["tags"])
        return DeploymentContent(**known)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A flow made ready to be run by workers."""

    name: DeploymentName
    content: DeploymentContent
    revision: int = 1
    """Number of its last change, from 1."""
    owner: str
    """Principal that changed it last, with whose rights its schedules create runs."""
    created_us: int
    updated_us: int

    @property
    def etag(self) -> str:
        """Changes with every change of the deployment."""
        return f"{self.created_us}.{self.revision}"

    @property
    def pool(self) -> PoolName | None:
        """The pool whose workers execute its runs."""
        pool_id = self.content.pool_id
        return PoolName(self.name.workspace_id, pool_id) if pool_id else None


def check_content(content: DeploymentContent) -> None:
    """Checks the content of a deployment, but for its arguments.

    Raises:
        ServiceError: INVALID_REQUEST, with the field; PAYLOAD_TOO_LARGE.
    """
    if not content.entrypoint:
        raise invalid("deployment.entrypoint", 'must be given, such as "flows/etl.py:etl"')
    parse_object(
        content.job_overrides, "deployment.job_overrides_json", most_bytes=MOST_PARAMETER_BYTES
    )
    if bool(content.pool_id) != bool(content.queue_id):
        raise invalid("deployment.work_queue", "must be empty without a work pool")
    if content.enforce_parameter_schema and not content.parameter_schema:
        raise invalid("deployment.parameter_schema_json", "must be given to be enforced")


def check_address(address: str, field: str) -> str:
    """Returns an address of code without a credential.

    Raises:
        ServiceError: INVALID_REQUEST, with the field: it contains a password or a token.
    """
    if _CREDENTIAL.search(address):
        raise invalid(field, "must not contain a credential: keep that in a secret, and name it")
    return address


def with_queue(content: DeploymentContent) -> DeploymentContent:
    """A content whose queue is the default one, where its author gives a pool alone."""
    if content.pool_id and not content.queue_id:
        return replace(content, queue_id=DEFAULT_QUEUE)
    return content
