"""The client: one object for all subjects of a service, over any transport."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towpath.client._audit import Audit
from towpath.client._calls import Calls
from towpath.client._keys import Keys
from towpath.client._logs import Logs
from towpath.client._members import ServiceAccounts, Users
from towpath.client._roles import Roles
from towpath.client._runs import Runs
from towpath.client._secrets import Secrets
from towpath.client._server import fetch_server_info
from towpath.client._sign_in import SignIns
from towpath.client._tenants import Tenants
from towpath.client._trusts import Trusts
from towpath.client._workspaces import Workspaces

if TYPE_CHECKING:
    from towpath._transport.base import Transport
    from towpath.client._server import ServerInfo
    from towpath.client._sign_in import Caller


class Client(Runs, Logs):
    """Reads and changes what a service holds.

    Methods about runs, flows and logs are the client's own; each other subject is an attribute:
    `client.keys.create()`. Every method raises `towpath.exceptions.RpcError`, or one of its kinds,
    when the service can't be reached or refuses. A client serves any number of threads.

    Attributes:
        transport: The connection to the service.
        audit: The audit log.
        keys: API keys.
        roles: Roles, and the principals that have them.
        secrets: Secrets of the client's workspace.
        service_accounts: Service accounts.
        sign_in: Logins.
        tenants: Tenants, their limits and usage.
        trusts: Issuers that the tenant trusts.
        users: People who are members.
        workspaces: Workspaces.
    """

    def __init__(self, transport: Transport, *, workspace: str = "default") -> None:
        """Calls nothing yet.

        Args:
            transport: The connection to the service; its owner closes it.
            workspace: Id of the workspace whose runs and secrets it works with.
        """
        calls = Calls(transport)
        super().__init__(calls, workspace=workspace)
        self.transport = transport
        self.audit = Audit(calls, workspace=workspace)
        self.keys = Keys(calls, workspace=workspace)
        self.roles = Roles(calls, workspace=workspace)
        self.secrets = Secrets(calls, workspace=workspace)
        self.service_accounts = ServiceAccounts(calls, workspace=workspace)
        self.sign_in = SignIns(calls, workspace=workspace)
        self.tenants = Tenants(calls, workspace=workspace)
        self.trusts = Trusts(calls, workspace=workspace)
        self.users = Users(calls, workspace=workspace)
        self.workspaces = Workspaces(calls, workspace=workspace)

    def server_info(self, *, timeout_seconds: float = 10.0) -> ServerInfo:
        """Returns the service's version and features.

        Args:
            timeout_seconds: Longest wait.
        """
        return fetch_server_info(self._calls, timeout_seconds=timeout_seconds)

    def whoami(self, *, timeout_seconds: float | None = None) -> Caller:
        """Returns the caller as the service knows it, with permissions.

        Args:
            timeout_seconds: Longest wait; None for 10 seconds.

        Raises:
            NotSignedIn: The service doesn't accept the caller's credential.
        """
        return self.sign_in.caller(timeout_seconds=timeout_seconds)
