"""The operations on tags, and the rules for tags.

Source: Greengrass developer guide, "Tag your AWS IoT Greengrass Version 2 resources".
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from local_aws.account_region import Scope
from local_aws.errors import NotFoundError, ValidationError
from local_aws.input_validation.patterns import matches

if TYPE_CHECKING:
    from local_aws.services.greengrass.components import Components
    from local_aws.services.greengrass.deployments import Deployments
    from local_aws.services.greengrass.devices import Devices

Params = dict[str, Any]
_TAGGED = re.compile(
    r"arn:[^:]*:greengrass:[^:]*:[^:]+:(?P<kind>components|deployments|coreDevices):(?P<id>.+)"
)
RESERVED_PREFIX = "aws:"
_CHARACTERS = r"[\p{L}\p{Z}\p{N}+\-=._:/@]*"


def check_tags(tags: Mapping[str, str]) -> None:
    """Check tags for reserved keys and invalid characters.

    Raises:
        ValidationError: a tag is not valid.
    """
    for key, value in tags.items():
        if key.lower().startswith(RESERVED_PREFIX):
            raise ValidationError(f"Tag key {key!r} is reserved: keys must not begin with aws:.")
        for text in (key, value):
            if not matches(_CHARACTERS, text):
                raise ValidationError(
                    f"Tag {key!r}: {text!r} has invalid characters: expected letters, digits,"
                    " spaces and any of + - = . _ : / @."
                )


class Tags:
    """The tags of component versions, deployments and core devices."""

    def __init__(
        self, components: "Components", deployments: "Deployments", devices: "Devices"
    ) -> None:
        self._components = components
        self._deployments = deployments
        self._devices = devices

    def list_tags(self, scope: Scope, params: Params) -> Params:
        """Implement ListTagsForResource."""
        return {"tags": self.of(scope, params["resourceArn"])}

    def tag(self, scope: Scope, params: Params) -> Params:
        """Implement TagResource."""
        check_tags(params["tags"])
        self.of(scope, params["resourceArn"]).update(params["tags"])
        return {}

    def untag(self, scope: Scope, params: Params) -> Params:
        """Implement UntagResource."""
        tags = self.of(scope, params["resourceArn"])
        for key in params["tagKeys"]:
            tags.pop(key, None)
        return {}

    def of(self, scope: Scope, arn: str) -> dict[str, str]:
        """Return the tags of a resource; a change of the dictionary changes the resource.

        Raises:
            NotFoundError: the resource does not exist.
        """
        match = _TAGGED.fullmatch(arn)
        record: dict[str, Any] | None = None
        if match and match["kind"] == "components":
            record = self._components.record(scope, arn)
        elif match and match["kind"] == "deployments":
            record = self._deployments.record(scope, match["id"])
        elif match:
            record = self._devices.record(scope, match["id"])
        if record is None:
            raise NotFoundError("RESOURCE", arn)
        tags: dict[str, str] = record["tags"]
        return tags
