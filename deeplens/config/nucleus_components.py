"""Pinned versions of AWS-provided components, and the oldest supported version of nucleus lite.

Source: AWS IoT Greengrass V2 Developer Guide, "AWS-provided components". If a deployment specifies
no versions, Greengrass installs the newest patch of each component. This may restart the nucleus
during a release.
"""

from deeplens.config import ComponentKind

PINNED_VERSIONS = {
    "aws.greengrass.Nucleus": "2.16.1",
    "aws.greengrass.LambdaLauncher": "2.0.13",
    "aws.greengrass.LambdaManager": "2.3.7",
    "aws.greengrass.LambdaRuntimes": "2.0.9",
    "aws.greengrass.TokenExchangeService": "2.0.3",
}

_NUCLEUS = "aws.greengrass.Nucleus"


def versions_to_pin(component: ComponentKind) -> dict[str, str]:
    """Return the versions that a deployment to the classic nucleus pins, by component name.

    Generic components do not need the components that run Lambda functions.
    """
    return dict(PINNED_VERSIONS) if component == "lambda" else {_NUCLEUS: PINNED_VERSIONS[_NUCLEUS]}


# The oldest supported version of nucleus lite. Versions up to 2.3.2 reject long S3 URIs, and the
# job of a deployment with such a URI remains IN_PROGRESS.
OLDEST_LITE = "2.4.0"
