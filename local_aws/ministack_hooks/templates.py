"""CloudFormation's limits of templates, which ministack lacks."""

from typing import Any

from ministack.services.cloudformation import engine


def limit_templates() -> None:
    """Reject YAML aliases, with which a short template expands to gigabytes, as AWS does."""
    compose = engine.CfnLoader.compose_node

    def compose_node(loader: Any, parent: Any, index: Any) -> Any:
        if loader.check_event(engine.yaml.AliasEvent):
            raise ValueError("YAML aliases are not allowed in CloudFormation templates")
        return compose(loader, parent, index)

    engine.CfnLoader.compose_node = compose_node
