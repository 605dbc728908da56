"""Releases of AWS-provided Greengrass components that deployments pin, and the oldest nucleus lite.

Source: AWS IoT Greengrass V2 Developer Guide, "AWS-provided components". A deployment that leaves
them out gets the newest patch of each, which may restart the nucleus in the middle of a release.
"""

from deeplens.config import ComponentKind

RELEASES = {
    "aws.greengrass.Nucleus": "2.16.1",
    "aws.greengrass.LambdaLauncher": "2.0.13",
    "aws.greengrass.LambdaManager": "2.3.7",
    "aws.greengrass.LambdaRuntimes": "2.0.9",
    "aws.greengrass.TokenExchangeService": "2.0.3",
}

_NUCLEUS = "aws.greengrass.Nucleus"


def pinned_releases(component: ComponentKind) -> dict[str, str]:
    """Return what a deployment to the classic nucleus pins for a kind of inference component.

    A generic component needs none of the components that run Lambda functions.
    """
    return dict(RELEASES) if component == "lambda" else {_NUCLEUS: RELEASES[_NUCLEUS]}


# Nucleus lite 2.3.2 and earlier reject long S3 URIs, and leave the job of such a deployment
# IN_PROGRESS.
OLDEST_LITE = "2.4.0"
