"""The permissions boundary of every role of a stage or stack."""

from aws_cdk import PermissionsBoundary


def permissions_boundary(policy: str | None) -> PermissionsBoundary | None:
    """Return the boundary that a name, in the stack's own account, or an ARN stands for."""
    if policy is None:
        return None
    if policy.startswith("arn:"):
        return PermissionsBoundary.from_arn(policy)
    return PermissionsBoundary.from_name(policy)
