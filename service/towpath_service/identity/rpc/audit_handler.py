"""The rpcs of AccessService about the audit log."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from towpath.api.v1 import access_service_pb2 as pb

from towpath_service.core.tokens import make_token, read_number
from towpath_service.identity.rpc import convert_identity

if TYPE_CHECKING:
    from towpath_auth import Caller

    from towpath_service.identity.application.audit import AuditTrail

_AUDIT_PAGE: Final = 100
_MOST_AUDIT: Final = 1000


class AuditHandler:
    """Reads audit logs."""

    service: ClassVar[str] = "towpath.api.v1.AccessService"

    def __init__(self, trail: AuditTrail) -> None:
        self._trail = trail

    async def list_audit_entries(
        self, request: pb.ListAuditEntriesRequest, caller: Caller
    ) -> pb.ListAuditEntriesResponse:
        """Lists the audit log, newest first."""
        question = ("ListAuditEntries", caller.tenant_id)
        token = request.page_token
        before = read_number(token, question) if token else 0
        size = min(request.page_size or _AUDIT_PAGE, _MOST_AUDIT)
        page = await self._trail.read(caller, before=before, limit=size)
        last = page.entries[-1][0].sequence if page.entries else 1
        return pb.ListAuditEntriesResponse(
            audit_entries=[convert_identity.to_audit_entry(*entry) for entry in page.entries],
            next_page_token=make_token(question, (last,)) if last > 1 else "",
            head_sequence=page.head.sequence,
            head_hash=page.head.hash,
            head_sealed=page.sealed,
        )
