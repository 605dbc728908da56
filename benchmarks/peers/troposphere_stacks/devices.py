"""The fleet's identity: things and their group, certificate policy, token exchange role, alias."""

from typing import Any

from troposphere import Ref, iot

from benchmarks.peers.troposphere_stacks.assets import Assets
from benchmarks.peers.troposphere_stacks.environment import Environment
from benchmarks.peers.troposphere_stacks.greengrass import RELEASES
from benchmarks.peers.troposphere_stacks.model_store import from_model_store
from benchmarks.peers.troposphere_stacks.policies import (
    add_download,
    add_role,
    arn_of,
    document,
)
from benchmarks.peers.troposphere_stacks.stack import Stack

_THING = "${iot:Connection.Thing.ThingName}"


def devices(environment: Environment, assets: Assets) -> Stack:
    """Return the whole stack."""
    stack = Stack(environment, assets, "identity of the cameras")
    group = environment.fleet["thing_group"]
    stack.add(iot.ThingGroup("Fleet", ThingGroupName=group))
    for thing in environment.fleet["things"]:
        title = f"Thing{''.join(filter(str.isalnum, thing))}"
        stack.add(iot.Thing(title, ThingName=thing))
    alias = f"deeplens-{environment.name}-token-exchange"
    _add_token_exchange(stack, alias)
    policy = stack.add(
        iot.Policy("CoreDevicePolicy", PolicyDocument=_core_device(environment, alias))
    )
    stack.output("ThingGroupName", group)
    stack.output("CoreDevicePolicyName", Ref(policy))
    stack.output("RoleAliasName", alias)
    stack.output("NucleusVersion", RELEASES["aws.greengrass.Nucleus"])
    return stack


def _add_token_exchange(stack: Stack, alias: str) -> None:
    environment = stack.environment
    role = add_role(
        stack,
        "TokenExchangeRole",
        service="credentials.iot.amazonaws.com",
        source_arn=environment.arn("iot", f"rolealias/{alias}"),
        Description="What a core device may do in AWS, by its certificate",
    )
    add_download(
        stack,
        "TokenExchangeRoleDownloadComponents",
        role=role,
        key_arn=from_model_store(environment, "KeyArn"),
    )
    stack.add(
        iot.RoleAlias(
            "TokenExchangeAlias",
            RoleAlias=alias,
            RoleArn=arn_of(role),
            CredentialDurationSeconds=3600,
        )
    )


def _core_device(environment: Environment, alias: str) -> dict[str, Any]:
    def statement(actions: str | list[str], *resources: str) -> dict[str, Any]:
        return {"Effect": "Allow", "Action": actions, "Resource": list(resources)}

    def topics(kind: str, *names: str) -> list[str]:
        return [environment.arn("iot", f"{kind}/$aws/things/{_THING}/{name}") for name in names]

    reserved = ("greengrass/health/json", "greengrassv2/health/json", "jobs/*", "shadow/*")
    own_topic = environment.inference["topic"].replace("{thing}", _THING)
    return document(
        statement(
            "iot:Connect",
            environment.arn("iot", f"client/{_THING}"),
            environment.arn("iot", f"client/{_THING}#*"),
        ),
        statement(["iot:Publish", "iot:Receive"], *topics("topic", *reserved)),
        statement("iot:Subscribe", *topics("topicfilter", "jobs/*", "shadow/*")),
        statement("iot:Publish", environment.arn("iot", f"topic/{own_topic}")),
        statement("iot:AssumeRoleWithCertificate", environment.arn("iot", f"rolealias/{alias}")),
        statement(
            [
                "greengrass:GetComponentVersionArtifact",
                "greengrass:GetDeploymentConfiguration",
                "greengrass:ListThingGroupsForCoreDevice",
                "greengrass:ResolveComponentCandidates",
            ],
            "*",
        ),
    )
