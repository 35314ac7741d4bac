"""Names of deployments, as users write them and as the service knows them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeVar

from towpath._definitions.flow_ids import flow_id_of
from towpath._definitions.slugs import deployment_id_of
from towpath.exceptions import DefinitionError, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_IDS: Final = re.compile(r"[a-z0-9-]+/[a-z0-9-]+")


def by_any_name(name: str, call: Callable[[str], T]) -> T:
    """Calls with the ids of a deployment that is named by its names, or by its ids.

    Args:
        name: "flow/deployment".
        call: Is called with "flow/deployment" of ids; a second time, when the first call doesn't
            find the deployment of these names and they could be ids.

    Raises:
        DefinitionError: It is no such name.
        NotFound: There is no such deployment.
    """
    flow, slash, deployment = name.rpartition("/")
    if not slash or not flow.strip() or not deployment.strip():
        raise DefinitionError(f"a deployment is named 'flow/deployment', not {name!r}")
    by_names = f"{flow_id_of(flow)}/{deployment_id_of(deployment)}"
    try:
        return call(by_names)
    except NotFound as error:
        could_be_ids = name != by_names and _IDS.fullmatch(name)
        if not could_be_ids or "/deployments/" not in error.metadata.get("resource", ""):
            raise
    return call(name)
