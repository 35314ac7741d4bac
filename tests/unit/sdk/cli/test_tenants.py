from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from towpath.api.v1 import tenant_service_pb2 as pb
from towpath.cli.identity import tenants as _tenants

from tests.unit.sdk.cli.answering import answered

if TYPE_CHECKING:
    from click.testing import Result


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What a server is asked whose tenant acme has limits, and takes all at once."""
    requests: list[Any] = []
    tenant = pb.Tenant(name="tenants/acme", uid="7", state=pb.TENANT_STATE_ACTIVE)
    tenant.create_time.seconds = 1_800_000_000
    tenant.quotas.updates_per_second = 7
    tenant.quotas.open_streams = 3

    def answer(method: str, request: Any) -> Any:
        assert request.name == "tenants/acme"
        if method == "GetTenant":
            return pb.GetTenantResponse(tenant=tenant)
        assert method == "SetTenantQuotas"
        requests.append(request)
        tenant.quotas.CopyFrom(requests[-1].quotas)
        return pb.SetTenantQuotasResponse(tenant=tenant)

    answered(monkeypatch, _tenants, answer)
    return requests


def said(*words: str) -> Result:
    return CliRunner().invoke(_tenants.group, list(words))


def rows(shown: Result) -> dict[str, str]:
    assert shown.exit_code == 0, shown.output
    return dict(line.split(maxsplit=1) for line in shown.stdout.splitlines())


def test_a_limit_changes_and_the_others_stay(asked: list[Any]) -> None:
    told = rows(said("limit", "acme", "--stored-bytes", "100", "--open-streams", "0"))
    assert sorted(asked[0].update_mask.paths) == ["open_streams", "stored_bytes"]
    assert told == {
        "updates-per-second": "7",
        "log-bytes-per-second": "default",
        "calls-per-second": "default",
        "open-streams": "default",
        "open-watches": "default",
        "queued-runs": "default",
        "stored-bytes": "100",
    }


def test_a_limit_of_nothing_is_asked_for_again(asked: list[Any]) -> None:
    refused = said("limit", "acme")
    assert refused.exit_code == 2
    assert "--stored-bytes" in refused.output
    assert "towpath tenant inspect acme" in refused.output
    assert said("limit", "acme", "--open-streams", "-1").exit_code == 2
    assert asked == []


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize("name", ["acme", "tenants/acme"])
def test_a_tenant_is_shown_with_its_limits(name: str) -> None:
    told = rows(said("inspect", name))
    assert (told["tenant"], told["state"], told["id"]) == ("acme", "active", "7")
    assert (told["updates-per-second"], told["stored-bytes"]) == ("7", "none")
    as_json = json.loads(said("inspect", name, "-o", "json").stdout)
    assert as_json["quotas"] == {"updates_per_second": 7, "open_streams": 3}
