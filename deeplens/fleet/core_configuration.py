"""`config.yaml` of the Greengrass core software, classic or lite.

Sources: AWS IoT Greengrass V2 Developer Guide, "Install with manual resource provisioning"; the
sample configuration of aws-greengrass-lite, and deployments to nucleus lite 2.6.0.
"""

import json
from dataclasses import dataclass
from pathlib import PurePosixPath

from deeplens.fleet.errors import WrongInputError

_DATA_PLANE_PORT = 8443

# The default folder of the core software, by the kind of nucleus.
CORE_ROOT = {
    "classic": PurePosixPath("/greengrass/v2"),
    "lite": PurePosixPath("/var/lib/greengrass"),
}

# The user and group of component processes, by the kind of nucleus. These processes cannot read the
# device's private key.
COMPONENT_USER = {"classic": "ggc_user:ggc_group", "lite": "gg_component:gg_component"}


# The maximum length, in characters, of a credentials endpoint that nucleus lite can read.
_LONGEST_LITE_CREDENTIALS_ENDPOINT = 128


@dataclass(frozen=True, kw_only=True)
class CoreConfiguration:
    """The initial configuration of the core software; deployments add to it.

    Raises:
        WrongInputError: the credentials endpoint is too long for nucleus lite.
    """

    thing: str
    region: str
    role_alias: str
    data_endpoint: str
    credentials_endpoint: str
    runtime: str
    nucleus_version: str
    root: PurePosixPath

    def __post_init__(self) -> None:
        """Raise `WrongInputError` if the credentials endpoint is too long for nucleus lite."""
        length = len(self.credentials_endpoint)
        if self.runtime == "lite" and length > _LONGEST_LITE_CREDENTIALS_ENDPOINT:
            raise WrongInputError(
                f"{self.credentials_endpoint!r} is not a valid credentials endpoint for nucleus "
                f"lite: expected at most {_LONGEST_LITE_CREDENTIALS_ENDPOINT} characters; got "
                f"{length}; --credentials-endpoint sets another one"
            )

    def text(self) -> str:
        """Return the content of `config.yaml`."""
        classic = self.runtime == "classic"
        # JSON strings are valid YAML, and they escape quotation marks in names.
        system = {
            "certificateFilePath": str(self.root / "device.pem.crt"),
            "privateKeyPath": str(self.root / "private.pem.key"),
            "rootCaPath": str(self.root / "AmazonRootCA1.pem"),
            "rootpath" if classic else "rootPath": str(self.root),
            "thingName": self.thing,
        }
        configuration: dict[str, str | int] = {
            "awsRegion": self.region,
            "iotRoleAlias": self.role_alias,
            "iotDataEndpoint": self.data_endpoint,
            "iotCredEndpoint": self.credentials_endpoint,
            "greengrassDataPlanePort": _DATA_PLANE_PORT,
        }
        # Nucleus lite deploys nothing without this user; the installer of the classic nucleus sets
        # the same value.
        user = COMPONENT_USER[self.runtime]
        nucleus = ["  aws.greengrass.Nucleus:" if classic else "  aws.greengrass.NucleusLite:"]
        nucleus.append('    componentType: "NUCLEUS"')
        if classic:
            nucleus.append(f"    version: {json.dumps(self.nucleus_version)}")
        return "\n".join(
            [
                "---",
                "system:",
                *(f"  {key}: {json.dumps(value)}" for key, value in system.items()),
                "services:",
                *nucleus,
                "    configuration:",
                *(f"      {key}: {json.dumps(value)}" for key, value in configuration.items()),
                "      runWithDefault:",
                f"        posixUser: {json.dumps(user)}",
                "",
            ]
        )
