"""Reviews of changes: the effect on every environment, before a deploy.

`checkout` and `synthesis` produce two cloud assemblies; `resources`, `access`, `devices`,
`rollout`, `model_card`, `findings` and `cost` each compare one aspect; `comparison` combines the
results in a `Review`; `page` converts it to `blocks`; `html`, `markdown` and `terminal` format the
blocks, and `json_output` formats the review for programs. A review reads only cloud assemblies and
environment files. It needs no CDK, AWS account or network.
"""


class ReviewError(Exception):
    """Raised if a review cannot be created; the message contains the reason."""


class WrongBaseError(ReviewError):
    """Raised if BASE is not a commit."""


class WrongPlanError(ReviewError):
    """Raised if the file of a plan is missing, damaged or of another version."""
