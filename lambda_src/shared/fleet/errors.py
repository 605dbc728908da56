"""Errors of deployments."""


class DeploymentError(Exception):
    """Raised if Greengrass rejects a deployment."""
