"""CDK's command line hears of the end of a stack's deploy when it ends."""

import re
from typing import Any

from ministack import app

from local_aws.ministack_hooks.registration import Handled
from local_aws.services.cloudformation.long_poll import at_the_end

_WAIT_SECONDS = 4.0
_ASKED = b"Action=DescribeStacks"
# A stack in review waits for somebody, not for its resources.
_UNDER_WAY = re.compile(rb"<StackStatus>(?!REVIEW_)[A-Z_]+_IN_PROGRESS</StackStatus>")


def answer_at_the_end() -> None:
    """Hold back what `DescribeStacks` says of a stack under way, for seconds at most.

    The command line asks again only after five seconds, and most stacks are done here after one.
    Nobody else's questions are held back: a function of a stack may ask for that stack.
    """
    describe = app.SERVICE_HANDLERS["cloudformation"]

    async def handle(
        method: str, path: str, headers: dict[str, str], body: bytes, query: Any
    ) -> Handled:
        async def ask() -> Handled:
            handled: Handled = await describe(method, path, headers, body, query)
            return handled

        if _ASKED not in body or "aws-cdk/" not in headers.get("user-agent", ""):
            return await ask()
        return await at_the_end(ask, lambda one: _UNDER_WAY.search(one[2]), _WAIT_SECONDS)

    app.SERVICE_HANDLERS["cloudformation"] = handle
