"""Environments from plain templates, in the form that the review reads from a cloud assembly."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from deeplens.assembly import Environment, Stack

Template = Mapping[str, Any]
MakeEnvironment = Callable[..., Environment]


@pytest.fixture
def environment() -> MakeEnvironment:
    """A function that creates an environment from resources by stack and logical id."""
    return make_environment


def make_environment(
    outputs: Mapping[str, Template] | None = None,
    assets: Mapping[str, Path] | None = None,
    **stacks: Template,
) -> Environment:
    return Environment(
        name="dev",
        account="111111111111",
        region="eu-central-1",
        stacks={
            title: Stack(
                name=f"dev-{title}",
                account="111111111111",
                region="eu-central-1",
                title=title,
                template={
                    "Resources": resources,
                    "Outputs": (outputs or {}).get(title, {}),
                },
            )
            for title, resources in stacks.items()
        },
        assets=assets or {},
    )
