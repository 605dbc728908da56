"""Names of the bootstrap resources, as the settings of cdk.json define them."""

from deeplens.config import AwsEnvironment

QUALIFIER = "deeplens"
STACK = "DeepLensToolkit"
VERSION_PARAMETER = f"/cdk-bootstrap/{QUALIFIER}/version"
# The oldest bootstrap version that the templates accept (rule CheckBootstrapVersion).
LEAST_VERSION = 6


def role_arn(place: AwsEnvironment, purpose: str) -> str:
    """Return the ARN of a bootstrap role, for example for the purpose `deploy` or `cfn-exec`."""
    name = f"cdk-{QUALIFIER}-{purpose}-role-{place.account}-{place.region}"
    return f"arn:{place.partition}:iam::{place.account}:role/{name}"


def bootstrap_command(place: AwsEnvironment) -> str:
    """Return the command that bootstraps an account in a Region."""
    return f"cdk bootstrap aws://{place.account}/{place.region}"
