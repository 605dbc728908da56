"""The catalog of AWS' components that the deployments of this project use, without artifacts."""

from typing import Any

from local_aws.services.greengrass.recipes import FORMAT_VERSION, Recipe

_NUCLEUS = {"aws.greengrass.Nucleus": {"VersionRequirement": ">=2.0.0 <3.0.0",
                                       "DependencyType": "SOFT"}}  # fmt: skip
_LAMBDA_MANAGER = {"aws.greengrass.LambdaManager": {"VersionRequirement": ">=2.0.0 <3.0.0",
                                                    "DependencyType": "HARD"}}  # fmt: skip

# Maps component names to versions, component type and dependencies.
_CATALOG: dict[str, tuple[tuple[str, ...], str, dict[str, Any]]] = {
    "aws.greengrass.Nucleus": (("2.15.0", "2.16.0", "2.16.1"), "aws.greengrass.nucleus", {}),
    "aws.greengrass.LambdaManager": (("2.3.6", "2.3.7"), "aws.greengrass.plugin", _NUCLEUS),
    "aws.greengrass.LambdaLauncher": (
        ("2.0.12", "2.0.13"),
        "aws.greengrass.generic",
        _LAMBDA_MANAGER,
    ),
    "aws.greengrass.LambdaRuntimes": (("2.0.8", "2.0.9"), "aws.greengrass.generic", _NUCLEUS),
    "aws.greengrass.TokenExchangeService": (("2.0.3",), "aws.greengrass.plugin", _NUCLEUS),
}


def public_versions(name: str) -> tuple[str, ...]:
    """Return the versions of a component; empty if the catalog does not contain it."""
    return _CATALOG[name][0] if name in _CATALOG else ()


def public_names() -> list[str]:
    """Return the names of all components in the catalog."""
    return sorted(_CATALOG)


def public_recipe(name: str, version: str) -> Recipe:
    """Return the recipe of a component version in the catalog."""
    _, kind, dependencies = _CATALOG[name]
    return {
        "RecipeFormatVersion": FORMAT_VERSION,
        "ComponentName": name,
        "ComponentVersion": version,
        "ComponentType": kind,
        "ComponentPublisher": "AWS",
        "ComponentDependencies": dependencies,
        "Manifests": [{"Platform": {"os": "linux"}, "Lifecycle": {}}],
    }
