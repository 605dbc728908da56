"""CDK's command line hears of the end of a stack's deploy when it ends."""

import asyncio
import re
import time
from typing import Any

from ministack import app

from local_aws.ministack_hooks.services import Handled

_WAIT_SECONDS = 4.0
_LOOK_SECONDS = 0.05
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
        handled: Handled = await describe(method, path, headers, body, query)
        if _ASKED not in body or "aws-cdk/" not in headers.get("user-agent", ""):
            return handled
        give_up_at = time.monotonic() + _WAIT_SECONDS
        while _UNDER_WAY.search(handled[2]) and time.monotonic() < give_up_at:
            await asyncio.sleep(_LOOK_SECONDS)
            handled = await describe(method, path, headers, body, query)
        return handled

    app.SERVICE_HANDLERS["cloudformation"] = handle
