"""The handler of the rpcs of RunService that create and control runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from towpath_service.core.errors import ServiceError

if TYPE_CHECKING:
    from towpath_auth import Caller


class RunControlHandler:
    """Creates, cancels and explains runs."""

    service: ClassVar[str] = "towpath.api.v1.RunService"

    async def create_run(self, request: Any, caller: Caller) -> Any:
        """Creates a run of a deployment."""
        raise ServiceError(reason="FEATURE_DISABLED", message="not yet")

    async def cancel_run(self, request: Any, caller: Caller) -> Any:
        """Asks a run to end."""
        raise ServiceError(reason="FEATURE_DISABLED", message="not yet")

    async def explain_run(self, request: Any, caller: Caller) -> Any:
        """Explains what a run waits for."""
        raise ServiceError(reason="FEATURE_DISABLED", message="not yet")
