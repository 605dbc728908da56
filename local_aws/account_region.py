"""Whose resources a call is about: an account and a region."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scope:
    """The account (12 digits) and region that own every resource of a call."""

    account: str
    region: str

    def __str__(self) -> str:
        return f"{self.account}/{self.region}"

    @classmethod
    def parse(cls, text: str) -> "Scope":
        """Read what ``str`` wrote: ``123456789012/eu-central-1``."""
        account, _, region = text.partition("/")
        return cls(account, region)
