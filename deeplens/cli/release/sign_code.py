"""`deeplens release sign-code`: sign the code of an environment's functions with AWS Signer."""

from pathlib import Path

import click

from deeplens.cli.options import environment_argument, examples, json_option
from deeplens.cli.output import json_result


@click.command("sign-code", epilog=examples("release sign-code production"))
@environment_argument
@click.option(
    "--assembly",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("cdk.out"),
    show_default=True,
    help="Folder of the synthesized templates.",
)
@json_option
def sign_code(environment: str, assembly: Path, *, as_json: bool) -> None:
    """Sign the code of ENVIRONMENT's Lambda functions and layers with AWS Signer.

    Run the command after `cdk publish-assets` and before the deploy. The profile `[signing]
    lambda_profile` signs each object. The signed object replaces the unsigned one.

    Exit codes: 0 all code is signed, 1 some code is not signed, 2 wrong usage or input.
    """
    import boto3

    from deeplens.assembly import read_assembly
    from deeplens.releases.code_signing import code_objects, profile_of, sign

    try:
        every = read_assembly(assembly)
    except FileNotFoundError:
        raise click.ClickException(f"{assembly}: no templates; run `make synth` first") from None
    stacks = [stack for stack in every if stack.environment == environment]
    if not stacks:
        names = ", ".join(sorted({stack.environment for stack in every if stack.environment}))
        raise click.BadParameter(
            f"{environment!r} is not an environment of {assembly}: expected one of {names}",
            param_hint="ENVIRONMENT",
        )
    profile = profile_of(stacks)
    region = profile.split(":")[3]
    s3, signer = (boto3.client(name, region_name=region) for name in ("s3", "signer"))
    with json_result(as_json=as_json) as document:
        objects = document["objects"] = []
        for code in code_objects(stacks):
            is_new = sign(code, profile, s3, signer)
            address = f"s3://{code.bucket}/{code.key}"
            objects.append({"object": address, "newly_signed": is_new})
            click.echo(f"{address}: {'signed' if is_new else 'was signed before'}")
