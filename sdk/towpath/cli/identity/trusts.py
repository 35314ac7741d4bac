"""`towpath trust`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from towpath.cli.shared.groups import CommandGroup
from towpath.cli.shared.output import json_object, list_output, print_list
from towpath.cli.shared.session import confirmed, note, service_client, yes_option
from towpath.cli.shared.times import local_minute

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath.client import ClaimRule, Trust

_KUBERNETES_UID = r"kubernetes\.io.serviceaccount.uid"


@click.group(cls=CommandGroup)
def group() -> None:
    """Manage trusts in issuers of tokens: for sign-in, CI services and Kubernetes."""


@group.command()
@click.argument("trust")
@click.option("--issuer", required=True, metavar="URL", help="`iss` of the tokens, exactly.")
@click.option("--audience", multiple=True, help="`aud` of the tokens; repeatable.")
@click.option(
    "--for", "account", metavar="ACCOUNT", help="Service account that the tokens stand for."
)
@click.option(
    "--claim", multiple=True, metavar="PATH=TEXT", help="Claim that a token must have; repeatable."
)
@click.option(
    "--kubernetes",
    metavar="NAMESPACE/NAME",
    help="Service account of a Kubernetes cluster that the tokens must be of.",
)
@click.option(
    "--kubernetes-uid",
    metavar="UID",
    help="uid of that account, which a new account of the same name doesn't have.",
)
@click.option(
    "--users", "client_id", metavar="CLIENT_ID", help="OAuth client that people sign in with."
)
@click.option("--user-claim", default="", help="Claim with their e-mail address.  [default: email]")
@click.option(
    "--default-role", help="Role of people who sign in first.  [default: none, only members may]"
)
@click.option("--scope", multiple=True, help="Scope to ask for.  [default: openid, email]")
@click.option("--algorithm", multiple=True, help="Signature to accept.  [default: RS256]")
@click.option(
    "--jwks-uri", default="", metavar="URL", help="URL of the keys.  [default: by discovery]"
)
@click.option(
    "--jwks-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with the keys, for an issuer that the service can't reach.",
)
def create(trust: str, **asked: Any) -> None:
    """Create a trust: for a service account, or for people who sign in."""
    from towpath.client import UserTrust  # noqa: PLC0415 - gRPC would slow down `--help`

    account, client_id = asked["account"], asked["client_id"]
    if (account is None) is (client_id is None):
        raise click.UsageError("give either --for ACCOUNT or --users CLIENT_ID")
    audiences = list(asked["audience"]) or ([client_id] if client_id else [])
    if not audiences:
        raise click.UsageError("give --audience: the `aud` that tokens must have")
    rules = _rules(asked["claim"], asked["kubernetes"], asked["kubernetes_uid"])
    file: Path | None = asked["jwks_file"]
    users = UserTrust(
        client_id=client_id or "",
        claim=asked["user_claim"],
        default_role=asked["default_role"] or "",
        scopes=tuple(asked["scope"]),
    )
    with service_client() as client:
        created = client.trusts.create(
            trust,
            issuer=asked["issuer"],
            audiences=audiences,
            service_account=account,
            users=users if client_id else None,
            rules=rules,
            algorithms=asked["algorithm"],
            jwks_uri=asked["jwks_uri"],
            jwks=file.read_text() if file is not None else "",
        )
    note(f"trust {created.id} created: {_next_step(created)}")


@group.command("ls")
@list_output
def list_trusts(output: str) -> None:
    """List trusts."""
    with service_client() as client:
        trusts = list(client.trusts.list())
    print_list(
        trusts,
        {
            "TRUST": lambda item: item.id,
            "ISSUER": lambda item: item.issuer,
            "STANDS FOR": _stands_for,
            "AUDIENCES": lambda item: ", ".join(item.audiences),
            "CLAIMS": lambda item: ", ".join(f"{rule.path}={rule.value}" for rule in item.rules),
            "CREATED BY": lambda item: item.creator,
            "CREATED": lambda item: local_minute(item.created),
        },
        output,
        as_json=_as_json,
    )


@group.command("rm")
@click.argument("trust")
@yes_option
def remove(trust: str, *, yes: bool) -> None:
    """Delete a trust, and end all tokens and logins that came of it."""
    if confirmed(f"Tokens and logins of {trust} will be refused. Go on?", yes=yes):
        with service_client() as client:
            client.trusts.delete(trust)
        note(f"trust {trust.removeprefix('trusts/')} deleted")


def _rules(claims: Sequence[str], kubernetes: str | None, uid: str | None) -> list[ClaimRule]:
    from towpath.client import ClaimRule  # noqa: PLC0415 - gRPC would slow down `--help`

    rules: list[ClaimRule] = []
    for claim in claims:
        path, separator, value = claim.partition("=")
        if not separator:
            raise click.UsageError(f"--claim {claim!r}: give PATH=TEXT, such as sub=repo:acme/etl")
        rules.append(ClaimRule(path=path, value=value))
    if kubernetes is not None:
        namespace, separator, name = kubernetes.partition("/")
        if not separator:
            raise click.UsageError("--kubernetes: give NAMESPACE/NAME of the service account")
        rules.append(ClaimRule(path="sub", value=f"system:serviceaccount:{namespace}:{name}"))
    if uid is not None:
        rules.append(ClaimRule(path=_KUBERNETES_UID, value=uid))
    return rules


def _stands_for(trust: Trust) -> str:
    if trust.users is None:
        return f"serviceAccounts/{trust.service_account}"
    role = trust.users.default_role
    return f"people; default role {role}" if role else "members who sign in"


def _next_step(trust: Trust) -> str:
    if trust.users is None:
        return "set TOWPATH_TOKEN_FILE to a file with a token for programs that call"
    return "people sign in with `towpath login`"


def _as_json(trust: Trust) -> dict[str, Any]:
    users = trust.users and json_object(
        claim=trust.users.claim,
        default_role=trust.users.default_role and f"roles/{trust.users.default_role}",
        client_id=trust.users.client_id,
        scopes=trust.users.scopes,
    )
    return json_object(
        name=f"trusts/{trust.id}",
        issuer=trust.issuer,
        audiences=trust.audiences,
        rules=[json_object(path=rule.path, value=rule.value) for rule in trust.rules],
        algorithms=trust.algorithms,
        jwks_uri=trust.jwks_uri,
        jwks=trust.jwks,
        service_account=trust.service_account and f"serviceAccounts/{trust.service_account}",
        users=users,
        creator=trust.creator,
        create_time=trust.created,
    )
