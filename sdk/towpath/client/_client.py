"""The client: one object for all subjects of a service, over any transport."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towpath.client._caller import fetch_caller
from towpath.client._loading import Loaded
from towpath.client._logs import Logs
from towpath.client._new_runs import NewRuns
from towpath.client._retries import Retries
from towpath.client._run_control import RunControl
from towpath.client._run_inputs import RunInputs
from towpath.client._server import fetch_server_info

if TYPE_CHECKING:
    from towpath.client._artifacts import Artifacts
    from towpath.client._audit import Audit
    from towpath.client._backfills import Backfills
    from towpath.client._caller import Caller
    from towpath.client._deployments import Deployments
    from towpath.client._keys import Keys
    from towpath.client._limits import Limits
    from towpath.client._members import ServiceAccounts, Users
    from towpath.client._pools import Pools
    from towpath.client._queues import Queues
    from towpath.client._roles import Roles
    from towpath.client._schedules import Schedules
    from towpath.client._secrets import Secrets
    from towpath.client._server import ServerInfo
    from towpath.client._sign_in import SignIns
    from towpath.client._tenants import Tenants
    from towpath.client._trusts import Trusts
    from towpath.client._variables import Variables
    from towpath.client._workers import Workers
    from towpath.client._workspaces import Workspaces


class Client(NewRuns, RunControl, RunInputs, Retries, Logs):
    """Reads and changes what a service holds.

    Methods about runs, flows and logs are the client's own; each other subject is an attribute:
    `client.keys.create()`. Every method raises `towpath.exceptions.RpcError`, or one of its kinds,
    when the service can't be reached or refuses. A client serves any number of threads.

    Attributes:
        transport: The connection to the service; its owner closes it.
        workspace: Id of the workspace whose runs, deployments and values it works with.
        artifacts: Artifacts of runs of the client's workspace.
        audit: The audit log.
        backfills: Runs of deployments for due times of the past.
        deployments: Deployments of flows in the client's workspace.
        keys: API keys.
        limits: Limits on what happens at once, or per second.
        pools: Work pools of the client's workspace.
        queues: Queues of work pools.
        roles: Roles, and the principals that have them.
        schedules: Schedules of deployments.
        secrets: Secrets of the client's workspace.
        service_accounts: Service accounts.
        sign_in: Logins.
        tenants: Tenants, their limits and usage.
        trusts: Issuers that the tenant trusts.
        users: People who are members.
        variables: Variables of the client's workspace.
        workers: Workers of work pools.
        workspaces: Workspaces.
    """

    artifacts: Loaded[Artifacts] = Loaded("towpath.client._artifacts:Artifacts")
    audit: Loaded[Audit] = Loaded("towpath.client._audit:Audit")
    backfills: Loaded[Backfills] = Loaded("towpath.client._backfills:Backfills")
    deployments: Loaded[Deployments] = Loaded("towpath.client._deployments:Deployments")
    keys: Loaded[Keys] = Loaded("towpath.client._keys:Keys")
    limits: Loaded[Limits] = Loaded("towpath.client._limits:Limits")
    pools: Loaded[Pools] = Loaded("towpath.client._pools:Pools")
    queues: Loaded[Queues] = Loaded("towpath.client._queues:Queues")
    roles: Loaded[Roles] = Loaded("towpath.client._roles:Roles")
    schedules: Loaded[Schedules] = Loaded("towpath.client._schedules:Schedules")
    secrets: Loaded[Secrets] = Loaded("towpath.client._secrets:Secrets")
    service_accounts: Loaded[ServiceAccounts] = Loaded("towpath.client._members:ServiceAccounts")
    sign_in: Loaded[SignIns] = Loaded("towpath.client._sign_in:SignIns")
    tenants: Loaded[Tenants] = Loaded("towpath.client._tenants:Tenants")
    trusts: Loaded[Trusts] = Loaded("towpath.client._trusts:Trusts")
    users: Loaded[Users] = Loaded("towpath.client._members:Users")
    variables: Loaded[Variables] = Loaded("towpath.client._variables:Variables")
    workers: Loaded[Workers] = Loaded("towpath.client._workers:Workers")
    workspaces: Loaded[Workspaces] = Loaded("towpath.client._workspaces:Workspaces")

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
        return fetch_caller(self._calls, timeout_seconds=timeout_seconds)
