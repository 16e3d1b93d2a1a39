"""`mfhera rbac` and `mfhera iam-policy`: the least that a cluster and a bucket must allow."""

from __future__ import annotations

import json

import click

from metaflow_hera.argo.yaml_text import dump
from metaflow_hera.cli.options import datastore_option, json_option, settings_of
from metaflow_hera.cli.output import print_json
from metaflow_hera.deploy import rbac as roles
from metaflow_hera.deploy.iam import Role, policy
from metaflow_hera.errors import UsageError


@click.command()
@click.option("--namespace", metavar="NAME", help="Where flows are deployed; else that of the settings.")
@click.option(
    "--name", default=roles.DEFAULT_NAME, show_default=True, metavar="NAME", help="What all names begin with."
)
@click.option("--user", "users", multiple=True, metavar="NAME", help="A user of the cluster who deploys; repeatable.")
@click.option("--group", "groups", multiple=True, metavar="NAME", help="A group of users who deploy; repeatable.")
@click.option("--service-account", metavar="NAME", help="Of pods; else that of the settings, or one of their own.")
@json_option
def rbac(
    namespace: str | None,
    name: str,
    users: tuple[str, ...],
    groups: tuple[str, ...],
    service_account: str | None,
    as_json: bool,
) -> None:
    """Print Roles for deployers, for pods and for Sensors, and who has them.

    They allow what this version calls and nothing else. Without --user and --group a service account deploys.

    \b
    Examples:
      mfhera rbac --namespace flows | kubectl apply -f -
      mfhera rbac --namespace flows --group data-scientists | kubectl apply -f -
    """
    settings = settings_of(namespace=namespace)
    if not settings.namespace:
        raise UsageError("say in which namespace flows are deployed: --namespace NAME, or MFHERA_NAMESPACE")
    grants = roles.Grants(
        namespace=settings.namespace,
        name=name,
        users=users,
        groups=groups,
        service_account=service_account or settings.service_account,
        sensor_account=settings.sensor_service_account,
    )
    parts = roles.documents(grants)
    if as_json:
        print_json([document for _, documents in parts for document in documents])
        return
    for purpose, documents in parts:
        click.echo(f"# {purpose}")
        click.echo("".join(f"---\n{dump([document])}" for document in documents), nl=False)


@click.command("iam-policy")
@click.argument("role", type=click.Choice([each.value for each in Role]))
@datastore_option
@click.option("--partition", default="aws", show_default=True, help="Of AWS, such as aws-cn or aws-us-gov.")
def iam_policy(role: str, datastore: str | None, partition: str) -> None:
    """Print an IAM policy of AWS for the bucket of the datastore: the least that a role needs.

    Whoever may write a datastore may run code wherever it is read, since artifacts are pickles. So give production a
    prefix of its own, which only its pods and its deployers may write, and everybody else another one.

    \b
    Examples:
      mfhera iam-policy pods --datastore s3://bucket/production
      mfhera iam-policy readers --datastore s3://bucket/production
    """
    settings = settings_of(datastore)
    click.echo(json.dumps(policy(Role(role), settings.datastore, settings.datatools_s3root, partition), indent=2))
