"""The methods of a flow that deploy and serve it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Self, Unpack, cast

if TYPE_CHECKING:
    from pathlib import Path

    from towpath._definitions.code_sources import CodeSource
    from towpath._definitions.deployments import (
        DeployedFlow,
        DeploymentOptions,
        DeployOptions,
        RunnerDeployment,
    )

_DEPLOYING: Final = "towpath._deploy.deploying"
_SERVING: Final = "towpath._deploy.serving"
_SOURCES: Final = "towpath._deploy.sources"


class Deployable:
    """A flow that can be deployed and served."""

    code: CodeSource | None = None
    """Source that the flow was loaded from; None for code of this machine."""
    entrypoint: str = ""
    """Place of the flow within that source; empty to derive it from the function."""

    def to_deployment(self, name: str, **options: Unpack[DeploymentOptions]) -> RunnerDeployment:
        """Returns a deployment of the flow, for `towpath.serve` and `towpath.deploy`.

        Args:
            name: Name of the deployment.
            **options: Options of the deployment; see `DeploymentOptions`.

        Raises:
            DefinitionError: The name or an option is wrong.
        """
        from towpath._definitions.deployments import make_deployment  # noqa: PLC0415 - few flows are deployed by their scripts

        return make_deployment(cast("DeployedFlow", self), name, options)

    def deploy(
        self, name: str, work_pool_name: str | None = None, **options: Unpack[DeployOptions]
    ) -> str:
        """Deploys the flow, so that workers execute its runs; may be repeated.

        Args:
            name: Name of the deployment.
            work_pool_name: Id of the work pool; None for the setting `deploy.pool`.
            **options: Options of the deployment; see `DeploymentOptions`.

        Returns:
            The deployment's name, "flow/deployment".

        Raises:
            DefinitionError: The name or an option is wrong.
            ImageError: Its image can't be built or pushed.
            NotFound: There is no such work pool or queue.
            InvalidRequest: A schedule's rule is wrong, or arguments don't fit.
            RpcError: The service can't be reached, or refuses.
        """
        deployment = self.to_deployment(name, **options)
        deploy: Any = import_module(_DEPLOYING).deploy
        names: list[str] = deploy(deployment, work_pool_name=work_pool_name)
        return names[0]

    def serve(
        self,
        name: str | None = None,
        *,
        limit: int | None = None,
        pause_on_shutdown: bool | None = None,
        print_starting_message: bool = True,
        **options: Unpack[DeployOptions],
    ) -> None:
        """Deploys the flow and executes its runs, until Ctrl-C or SIGTERM.

        Each run is a process of its own. Without a server, the service runs within this process, on
        the database of the home.

        Args:
            name: Name of the deployment; None for the flow's name.
            limit: Most runs at a time; None for the setting `worker.limit`.
            pause_on_shutdown: Whether to pause the deployment at the end; None for the setting
                `serve.pause_on_shutdown`.
            print_starting_message: Whether to print what is served and when it is due.
            **options: Options of the deployment; see `DeploymentOptions`.

        Raises:
            DefinitionError: The name or an option is wrong.
            ConfigurationError: There is no server, and the service isn't installed.
            RpcError: The service refuses.
        """
        named = name if name is not None else getattr(self, "name", "")
        deployment = self.to_deployment(named, **options)
        serve: Any = import_module(_SERVING).serve
        serve(
            deployment,
            limit=limit,
            pause_on_shutdown=pause_on_shutdown,
            print_starting_message=print_starting_message,
        )

    async def ato_deployment(
        self, name: str, **options: Unpack[DeploymentOptions]
    ) -> RunnerDeployment:
        """Returns a deployment of the flow, in async code; see `to_deployment`."""
        return self.to_deployment(name, **options)

    async def adeploy(
        self, name: str, work_pool_name: str | None = None, **options: Unpack[DeployOptions]
    ) -> str:
        """Deploys the flow, in async code; see `deploy`."""
        import asyncio  # noqa: PLC0415 - scripts without async code don't need it

        return await asyncio.to_thread(self.deploy, name, work_pool_name, **options)

    @classmethod
    async def afrom_source(cls, source: str | Path | CodeSource, entrypoint: str) -> Self:
        """Loads a flow from a repository or a folder, in async code; see `from_source`."""
        import asyncio  # noqa: PLC0415 - the same

        return await asyncio.to_thread(cls.from_source, source, entrypoint)

    @classmethod
    def from_source(cls, source: str | Path | CodeSource, entrypoint: str) -> Self:
        """Loads a flow from a repository or a folder, to be deployed or called.

        Args:
            source: Address of a git repository, a folder, or a source of `towpath.client`.
            entrypoint: Place of the flow in it, "path/file.py:flow".

        Returns:
            The flow. Workers load it from the same source.

        Raises:
            DefinitionError: It can't be loaded.
        """
        load: Any = import_module(_SOURCES).flow_from_source
        flow: Self = load(source, entrypoint)
        return flow
