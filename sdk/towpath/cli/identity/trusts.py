"""`towpath trust`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from towpath.api.v1 import access_service_pb2
from towpath.cli.shared.groups import CommandGroup
from towpath.cli.shared.service import (
    Shown,
    call,
    call_pages,
    moment,
    principal_name,
    role_name,
    show,
)
from towpath.cli.shared.session import confirmed, list_output, note

if TYPE_CHECKING:
    from collections.abc import Sequence

_KUBERNETES_UID = r"kubernetes\.io.serviceaccount.uid"


@click.group(cls=CommandGroup)
def group() -> None:
    """Trust tokens of other issuers: of people's sign-in, CI services, Kubernetes."""


@group.command()
@click.argument("trust")
@click.option("--issuer", required=True, metavar="URL", help="`iss` of its tokens, exactly.")
@click.option("--audience", multiple=True, help="`aud` of its tokens; repeat for more.")
@click.option("--for", "account", metavar="ACCOUNT", help="Service account its tokens stand for.")
@click.option("--claim", multiple=True, metavar="PATH=TEXT", help="What they must say; repeat.")
@click.option(
    "--kubernetes",
    metavar="NAMESPACE/NAME",
    help="They are those of this service account of a cluster.",
)
@click.option("--kubernetes-uid", metavar="UID", help="And its uid: one made anew is another.")
@click.option("--users", "client_id", metavar="CLIENT_ID", help="People sign in by it instead.")
@click.option("--user-claim", default="", help="Claim with their address.  [default: email]")
@click.option("--default-role", help="Role of newcomers; else only members may enter.")
@click.option("--scope", multiple=True, help="To ask for.  [default: openid, email]")
@click.option("--algorithm", multiple=True, help="Signatures accepted.  [default: RS256]")
@click.option("--jwks-uri", default="", metavar="URL", help="Where its keys are; else it is asked.")
@click.option(
    "--jwks-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with its keys, where the service can't reach it.",
)
def create(trust: str, **asked: Any) -> None:
    """Trust an issuer: to stand for a service account, or to sign people in."""
    account, client_id = asked["account"], asked["client_id"]
    if (account is None) is (client_id is None):
        raise click.UsageError("give either --for ACCOUNT or --users CLIENT_ID")
    audiences = list(asked["audience"]) or ([client_id] if client_id else [])
    if not audiences:
        raise click.UsageError("--audience says for whom its tokens must be meant: give it")
    file: Path | None = asked["jwks_file"]
    message = access_service_pb2.Trust(
        issuer=asked["issuer"],
        audiences=audiences,
        rules=_rules(asked["claim"], asked["kubernetes"], asked["kubernetes_uid"]),
        algorithms=asked["algorithm"],
        jwks_uri=asked["jwks_uri"],
        jwks=file.read_text() if file is not None else "",
        service_account=principal_name(account) if account else "",
    )
    if client_id:
        role = asked["default_role"]
        message.users.CopyFrom(
            access_service_pb2.UserTrust(
                claim=asked["user_claim"],
                default_role=role_name(role) if role else "",
                client_id=client_id,
                scopes=asked["scope"],
            )
        )
    answer = call("AccessService", "CreateTrust", trust_id=trust, trust=message)
    note(f"{answer.trust.name} is there: {_next_step(answer.trust)}")


@group.command("ls")
@list_output
def list_trusts(output: str) -> None:
    """List the issuers that are trusted."""
    show(
        call_pages("AccessService", "ListTrusts", "trusts"),
        (
            Shown("TRUST", lambda item: item.name.removeprefix("trusts/")),
            Shown("ISSUER", lambda item: item.issuer),
            Shown("STANDS FOR", _stands_for),
            Shown("AUDIENCES", lambda item: ", ".join(item.audiences)),
            Shown("MUST SAY", _must_say),
            Shown("MADE BY", lambda item: item.creator),
            Shown("MADE", lambda item: moment(item, "create_time")),
        ),
        output,
    )


@group.command("rm")
@click.argument("trust")
@click.option("--yes", is_flag=True, help="Don't ask.")
def remove(trust: str, *, yes: bool) -> None:
    """Cease to trust an issuer; all tokens and logins that came of it end."""
    if confirmed(f"Whoever came by {trust} is refused from now on. Go on?", yes=yes):
        call("AccessService", "DeleteTrust", name=f"trusts/{trust.removeprefix('trusts/')}")
        note(f"trusts/{trust} is gone")


def _rules(
    claims: Sequence[str], kubernetes: str | None, uid: str | None
) -> list[access_service_pb2.ClaimRule]:
    rules: list[access_service_pb2.ClaimRule] = []
    for claim in claims:
        path, separator, value = claim.partition("=")
        if not separator:
            raise click.UsageError(f"--claim {claim!r}: write PATH=TEXT, such as sub=repo:acme/etl")
        rules.append(access_service_pb2.ClaimRule(path=path, value=value))
    if kubernetes is not None:
        namespace, separator, name = kubernetes.partition("/")
        if not separator:
            raise click.UsageError("--kubernetes: write NAMESPACE/NAME of its service account")
        subject = f"system:serviceaccount:{namespace}:{name}"
        rules.append(access_service_pb2.ClaimRule(path="sub", value=subject))
    if uid is not None:
        rules.append(access_service_pb2.ClaimRule(path=_KUBERNETES_UID, value=uid))
    return rules


def _stands_for(trust: Any) -> str:
    if trust.service_account:
        return str(trust.service_account)
    role = trust.users.default_role
    return f"people; newcomers get {role}" if role else "members who sign in"


def _must_say(trust: Any) -> str:
    return ", ".join(f"{rule.path}={rule.value}" for rule in trust.rules)


def _next_step(trust: Any) -> str:
    if trust.service_account:
        return "programs set TOWPATH_TOKEN_FILE to a file with such a token"
    return "people run `towpath login`"
