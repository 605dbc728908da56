"""Errors of this package."""


class DeploymentError(Exception):
    """Greengrass rejected a deployment."""
