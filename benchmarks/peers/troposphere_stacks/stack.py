"""One template while it is written."""

from typing import Any

from troposphere import Output, Tags, Template

from benchmarks.peers.troposphere_stacks.assets import Assets
from benchmarks.peers.troposphere_stacks.environment import Environment


class Stack:
    """A template of an environment, and what its resources have in common."""

    def __init__(self, environment: Environment, assets: Assets, description: str) -> None:
        self.environment = environment
        self.assets = assets
        self._template = Template(Description=f"DeepLens {environment.name}: {description}")

    def add(self, resource: Any) -> Any:
        """Add a resource with the environment's tags, and return it."""
        if "Tags" in resource.props:
            resource.Tags = Tags(self.environment.tags)
        return self._template.add_resource(resource)

    def output(self, name: str, value: Any, **properties: Any) -> None:
        """Add an output."""
        self._template.add_output(Output(name, Value=value, **properties))

    def to_json(self) -> str:
        """Return what CloudFormation takes."""
        return str(self._template.to_json(indent=1))
