"""Rules about the data that an endpoint stores."""

from collections.abc import Iterator

from deeplens.config.deep_learning_containers import has_local_storage
from tools.policy.reading import Finding, Rule, Stack


def endpoint_key(stacks: list[Stack]) -> Iterator[Finding]:
    """Volumes of an endpoint's instances are encrypted with a key of the environment.

    Serverless variants and instances with local storage have no volume; SageMaker rejects a key.
    """
    for stack in stacks:
        for logical_id, config in stack.resources("AWS::SageMaker::EndpointConfig"):
            types = [
                one.get("InstanceType")
                for one in config["Properties"].get("ProductionVariants", [])
            ]
            has_volumes = all(types) and not any(has_local_storage(str(one)) for one in types)
            if has_volumes and not config["Properties"].get("KmsKeyId"):
                yield stack.finding(
                    "endpoint-key",
                    logical_id,
                    f"{', '.join(map(str, types))} without KmsKeyId: name a key of this stack",
                )


RULES: tuple[Rule, ...] = (endpoint_key,)
