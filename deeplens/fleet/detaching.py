"""Deletions that AWS IoT rejects until a detachment has taken effect.

`DetachThingPrincipal` and `DetachPolicy` return before they take effect. According to botocore's
service model of AWS IoT, a detachment from a thing takes several seconds. The deletion of a policy
is rejected for up to five minutes after its detachment.
"""

import time
from collections.abc import Callable

from botocore.exceptions import ClientError

from deeplens.fleet.errors import FleetError

# The pauses between consecutive attempts of a deletion, 63 s in total.
_PAUSES_SECONDS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
# Error codes of DeleteCertificate and DeleteThing for a resource with attachments.
_ATTACHED = {"DeleteConflictException", "InvalidRequestException"}


def delete_once_detached(
    delete: Callable[[], object], what: str, *, report: Callable[[str], None]
) -> None:
    """Call `delete` until AWS IoT accepts the deletion, for at most about a minute.

    Args:
        delete: requests the deletion.
        what: the kind and the name of the resource, for messages.
        report: receives one line before the first pause.

    Raises:
        FleetError: AWS IoT still rejects the deletion because of attachments after about a minute.
        ClientError: AWS IoT rejects the deletion for another reason.
    """
    for number, pause_seconds in enumerate((*_PAUSES_SECONDS, None)):
        try:
            delete()
        except ClientError as error:
            if error.response["Error"]["Code"] not in _ATTACHED:
                raise
            if pause_seconds is None:
                raise FleetError(
                    f"{what} is detached and inactive, but AWS IoT still rejects its deletion "
                    f"after {sum(_PAUSES_SECONDS):.0f} s: {error.response['Error']['Message']}"
                ) from None
            if not number:
                report(f"waiting until AWS IoT has detached {what}")
            time.sleep(pause_seconds)
        else:
            return
