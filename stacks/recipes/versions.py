"""Component versions of three plain numbers, derived from the content.

Nucleus lite stores recipes as `<name>-<version>.json` and splits that name at the last hyphen, so a
version with a hyphen loses its recipe after a deployment. Each number is below 1,000,000.
"""

import re

NUMBER_LIMIT = 1_000_000
LONGEST_VERSION = ".".join([str(NUMBER_LIMIT - 1)] * 3)

_THREE_NUMBERS = re.compile(r"(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})")


def component_version(first_number: int | str, content_sha256: str) -> str:
    """Return the version of a component: its first number, then two numbers from its content.

    The two numbers are the SHA-256 modulo 10^12, about 40 bits. If two contents have the same
    version, `Custom::GreengrassComponent` rejects the second one.

    Args:
        first_number: what the component counts, for example published function versions; may be a
            token of CDK.
        content_sha256: 64 hexadecimal digits.
    """
    minor, patch = divmod(int(content_sha256, 16) % NUMBER_LIMIT**2, NUMBER_LIMIT)
    return f"{first_number}.{minor}.{patch}"


def is_three_numbers(version: str) -> bool:
    """Return whether a version is three numbers below 1,000,000 without anything after them."""
    return _THREE_NUMBERS.fullmatch(version) is not None
