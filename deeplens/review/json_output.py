"""Format a review as JSON for other programs."""

import dataclasses
import json
from decimal import Decimal
from typing import Any

from deeplens.review.comparison import Review
from deeplens.review.cost import FLEET_SIZES, read_prices

SCHEMA_VERSION = 2


def as_json(review: Review, *, base: str, uncommitted: tuple[str, ...] = ()) -> str:
    """Return the review as JSON; amounts are strings with two decimals, sizes are in bytes."""
    regions = sorted({environment.cost.price_region for environment in review.environments})
    content = {
        "schema_version": SCHEMA_VERSION,
        "base": base,
        "uncommitted": list(uncommitted),
        "fleet_sizes": list(FLEET_SIZES),
        "prices": [
            {
                "as_of": prices.as_of.isoformat(),
                "currency": prices.currency,
                "region": prices.region,
                "sources": list(prices.sources),
                "unverified": list(prices.unverified),
            }
            for prices in map(read_prices, regions)
        ],
        **dataclasses.asdict(review),
    }
    for entry, environment in zip(content["environments"], review.environments, strict=True):
        entry["changed"] = environment.changed
    return json.dumps(content, indent=2, ensure_ascii=False, default=_convert) + "\n"


def _convert(value: Any) -> str:
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be converted to JSON")
