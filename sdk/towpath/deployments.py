"""Deployments: flows that workers run, by schedule or on request."""

from typing import TYPE_CHECKING

from towpath._definitions.code_sources import ArchiveCode, GitCode, LocalCode, PackageCode
from towpath._definitions.deployments import DeploymentOptions, RunnerDeployment
from towpath._deploy.deploying import deploy
from towpath._deploy.images import DockerImage
from towpath._deploy.running import arun_deployment, run_deployment
from towpath._deploy.serving import aserve, serve
from towpath._prefect_names.refusals import refusing

__all__ = [
    "ArchiveCode",
    "DeploymentOptions",
    "DockerImage",
    "GitCode",
    "LocalCode",
    "PackageCode",
    "RunnerDeployment",
    "arun_deployment",
    "aserve",
    "deploy",
    "run_deployment",
    "serve",
]

if not TYPE_CHECKING:
    __getattr__ = refusing(__name__)
