"""Rules of tags.

Source: Greengrass developer guide, "Tag your AWS IoT Greengrass Version 2 resources".
"""

from collections.abc import Mapping

from local_aws.errors import ValidationError
from local_aws.input_validation.patterns import matches

RESERVED_PREFIX = "aws:"
_CHARACTERS = r"[\p{L}\p{Z}\p{N}+\-=._:/@]*"


def check_tags(tags: Mapping[str, str]) -> None:
    """Reject tags that AWS reserves, or with characters that tags cannot have.

    Raises:
        ValidationError: there is such a tag.
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
