"""The releases that are kept: the fleet's deployments, and what each proved."""

import time
from dataclasses import dataclass

from deeplens.fleet.errors import FleetError
from deeplens.fleet.session import FleetSession
from shared.fleet import deployments
from shared.fleet.deployments import (
    MANUAL_TAG,
    MODEL_TAG,
    RETRY_TAG,
    ROLLED_BACK_TAG,
    STOPPED_TAG,
    VERIFIED_TAG,
    Deployment,
)


@dataclass(frozen=True)
class KeptRelease:
    """One deployment of the fleet, for people; times are ISO 8601 in UTC."""

    id: str
    created: str
    status: str
    model_digest: str | None
    proven: str | None
    stopped: str | None
    by_hand: str | None
    rolled_back: str | None
    retry: str | None


def kept_releases(site: FleetSession) -> list[KeptRelease]:
    """Return the fleet's deployments, newest first."""
    return [
        KeptRelease(
            id=one.id,
            created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(one.created_at)),
            status=one.status,
            model_digest=one.tags.get(MODEL_TAG),
            proven=one.tags.get(VERIFIED_TAG),
            stopped=one.tags.get(STOPPED_TAG),
            by_hand=one.tags.get(MANUAL_TAG),
            rolled_back=one.tags.get(ROLLED_BACK_TAG),
            retry=one.tags.get(RETRY_TAG),
        )
        for one in deployments.history(site.greengrass, site.target_arn)
    ]


def choose_release(site: FleetSession, current: Deployment, wanted: str | None) -> Deployment:
    """Find a kept release by its deployment's id or the beginning of its model's digest.

    Without either it is the last proven one before the current.

    Raises:
        FleetError: there is none; the text names those that there are.
    """
    # One without components is what the deletion of a project left.
    everything = [
        one for one in deployments.history(site.greengrass, site.target_arn) if one.components
    ]
    proven = [one for one in everything if VERIFIED_TAG in one.tags and STOPPED_TAG not in one.tags]
    if wanted is None:
        # While waves are ahead of it, the fleet's own deployment is what they left.
        ahead = deployments.waves_since(site.greengrass, current)
        found = [one for one in proven if ahead or one.components != current.components]
    else:
        found = [
            one
            for one in everything
            if one.id == wanted or one.tags.get(MODEL_TAG, "").startswith(wanted)
        ]
        found.sort(key=lambda one: VERIFIED_TAG not in one.tags)
    if not found:
        known = ", ".join(f"{one.id} ({one.tags.get(MODEL_TAG, '')[:12]})" for one in proven)
        what = f"no kept release is {wanted!r}" if wanted else "no other proven release is kept"
        raise FleetError(f"{what}; proven ones: {known or 'none'}")
    digests = {one.tags.get(MODEL_TAG) for one in found}
    if wanted and len(digests) > 1:
        names = ", ".join(sorted(str(one) for one in digests))
        raise FleetError(
            f"{wanted!r} is the beginning of several digests: {names}; give more of it"
        )
    return found[0]
