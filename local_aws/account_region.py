"""The account and Region of an API call."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scope:
    """The account (12 digits) and Region that own the resources of an API call."""

    account: str
    region: str

    def __str__(self) -> str:
        return f"{self.account}/{self.region}"

    @classmethod
    def parse(cls, text: str) -> "Scope":
        """Parse a scope in the form of ``str(scope)``: ``123456789012/eu-central-1``."""
        account, _, region = text.partition("/")
        return cls(account, region)
