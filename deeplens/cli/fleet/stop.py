"""`deeplens fleet stop` and `resume`: stop the current release, or allow it again."""

from pathlib import Path

import click

from deeplens.cli.fleet.options import dry_run_option, reason_option
from deeplens.cli.options import (
    environment_argument,
    environments_option,
    examples,
    json_option,
    local_option,
)
from deeplens.cli.output import json_result


@click.command(
    epilog=examples('fleet stop production --reason "false detections"'),
)
@environment_argument
@environments_option
@local_option
@reason_option
@dry_run_option
@json_option
def stop(
    environment: str, environments: Path, reason: str, *, local: bool, dry_run: bool, as_json: bool
) -> None:
    """Stop ENVIRONMENT's current release: no further device receives it.

    Devices that already run the release keep it; `deeplens release rollback --now` replaces it. A
    waiting deploy fails with the reason. Later deploys of the same release are refused until
    `deeplens fleet resume`.

    Exit codes: 0 done, 1 failed, 2 wrong usage or input.
    """
    from deeplens.fleet.session import open_session
    from deeplens.fleet.stop import current_deployments, stop_deployment
    from shared.fleet.deployments import STOPPED_TAG

    site = open_session(environments, environment, local=local)
    with json_result(as_json=as_json) as document:
        results = document["deployments"] = []
        for deployment in current_deployments(site):
            is_stopped = STOPPED_TAG in deployment.tags
            results.append({"id": deployment.id, "changed": not (is_stopped or dry_run)})
            if is_stopped:
                click.echo(f"{deployment.id} is already stopped: {deployment.tags[STOPPED_TAG]}")
            elif dry_run:
                click.echo(
                    f"would stop {deployment.id} ({deployment.status}) of {deployment.target_arn}"
                )
            else:
                stop_deployment(site, deployment, reason)
                click.echo(f"stopped {deployment.id} of {deployment.target_arn}")


@click.command(epilog=examples("fleet resume production"))
@environment_argument
@environments_option
@local_option
@dry_run_option
@json_option
def resume(
    environment: str, environments: Path, *, local: bool, dry_run: bool, as_json: bool
) -> None:
    """Allow ENVIRONMENT's stopped release again; the next deploy delivers the release.

    Exit codes: 0 done, 1 failed, 2 wrong usage or input.
    """
    from deeplens.fleet.errors import FleetError
    from deeplens.fleet.session import open_session
    from deeplens.fleet.stop import current_deployments, resume_deployment
    from shared.fleet.deployments import STOPPED_TAG

    site = open_session(environments, environment, local=local)
    stopped = [
        deployment for deployment in current_deployments(site) if STOPPED_TAG in deployment.tags
    ]
    if not stopped:
        raise FleetError(f"nothing is stopped on {site.thing_group}")
    with json_result(as_json=as_json) as document:
        document["deployments"] = [
            {"id": deployment.id, "changed": not dry_run} for deployment in stopped
        ]
        for deployment in stopped:
            if dry_run:
                reason = deployment.tags[STOPPED_TAG]
                click.echo(f"would allow {deployment.id} again, stopped because: {reason}")
            else:
                resume_deployment(site, deployment)
                click.echo(f"{deployment.id} may be deployed again")
