"""What a change would do to every environment, read before anyone deploys it.

Two syntheses go in (`checkout`, `synthesis`, `assembly`); `resources`, `access`, `devices`,
`rollout`, `model_card`, `findings` and `cost` each compare one side of them; `comparison` puts
these together as a `Review`; `document` says it in words, once; `html`, `markdown` and `terminal`
show the words. Only files of the cloud assembly and environment files are read: no CDK, no AWS
account, no network. Of `stacks`, `config` alone is imported, which is plain data.
"""


class ReviewError(Exception):
    """A review cannot be made; the text says what was given and what would work."""


class WrongBaseError(ReviewError):
    """A BASE that does not name a commit."""
