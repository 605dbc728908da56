"""Errors of deployments."""


class DeploymentError(Exception):
    """Raised if a deployment cannot be created, for example because Greengrass rejects it."""
