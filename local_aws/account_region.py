"""The account and Region of a call."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scope:
    """The account (12 digits) and Region that own the resources of a call."""

    account: str
    region: str

    def __str__(self) -> str:
        return f"{self.account}/{self.region}"

    @classmethod
    def parse(cls, text: str) -> "Scope":
        """Parse the form of ``str``: ``123456789012/eu-central-1``."""
        account, _, region = text.partition("/")
        return cls(account, region)
