"""Checks of a release: public components, the pinned artifact, signatures."""

from collections.abc import Iterator
from typing import Any

from deeplens.config import ConfigError, load_artifact
from deeplens.config.nucleus_components import versions_to_pin
from deeplens.fleet.doctor.findings import Finding, Outcome, Patient


def public_components(patient: Patient) -> Iterator[Finding]:
    """Check that the Region has each pinned version of a component that AWS provides."""
    environment = patient.session.environment
    if environment.fleet.core_runtime == "lite":
        text = "nucleus lite takes none: a deployment contains this project's components only"
        yield Finding("public components", Outcome.OK, text)
        return
    client, place = patient.session.greengrass, environment.aws_environment
    absent, pinned = [], versions_to_pin(environment.component)
    for name, version in sorted(pinned.items()):
        arn = (
            f"arn:{place.partition}:greengrass:{place.region}:aws:components:{name}"
            f":versions:{version}"
        )
        try:
            client.describe_component(arn=arn)
        except client.exceptions.ResourceNotFoundException:
            absent.append(f"{name} {version}")
    if absent:
        text = f"{place.region} does not have {', '.join(absent)}"
        repair = "pin versions that it has in deeplens/config/nucleus_components.py"
        yield Finding("public components", Outcome.BLOCKED, text, repair)
        return
    text = f"{place.region} has the {len(pinned)} pinned versions"
    yield Finding("public components", Outcome.OK, text)


def pinned_release(patient: Patient) -> Iterator[Finding]:
    """Check that the pinned artifact is unchanged, and that a required statement exists."""
    environment = patient.session.environment
    try:
        artifact = load_artifact(patient.models, environment.model, environment.signing)
    except ConfigError as error:
        yield Finding("release", Outcome.BLOCKED, str(error))
        return
    keys = len(environment.signing.public_keys)
    release = f"{artifact.name} {artifact.version} ({artifact.digest[:12]}…)"
    if not keys:
        text = f"{release}; signatures are not verified: [signing] has no public_keys"
        yield Finding("release", Outcome.OK, text)
    elif artifact.statement is None:
        text = f"{release} is not signed, and signing.required is false"
        repair = f"deeplens release sign {artifact.path} --key KEY"
        yield Finding("release", Outcome.WARNING, text, repair)
    else:
        text = f"{release} has a signed statement; {keys} trusted public key(s)"
        yield Finding("release", Outcome.OK, text)


def code_signing(patient: Patient) -> Iterator[Finding]:
    """Check that the AWS Signer profile of the functions' code is active."""
    profile = patient.session.environment.signing.lambda_profile
    if profile is None:
        text = "not required: [signing] has no lambda_profile"
        yield Finding("code signing", Outcome.OK, text)
        return
    name = profile.split("/")[-2]
    client: Any = patient.session.boto_session.client("signer")
    try:
        status = client.get_signing_profile(profileName=name)["status"]
    except client.exceptions.ResourceNotFoundException:
        status = "absent"
    if status == "Active":
        yield Finding("code signing", Outcome.OK, f"the profile {name} is active")
        return
    yield Finding(
        "code signing",
        Outcome.BLOCKED,
        f"the profile {name} is {status}: expected Active",
        f"aws signer put-signing-profile --profile-name {name}_2 "
        "--platform-id AWSLambda-SHA384-ECDSA",
    )
