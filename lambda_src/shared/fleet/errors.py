"""Errors of deployments."""


class DeploymentError(Exception):
    """Greengrass rejected a deployment."""
