"""A review as JSON, for other programs."""

import dataclasses
import json
from decimal import Decimal
from typing import Any

from deeplens.review.comparison import Review
from deeplens.review.cost import FLEET_SIZES, read_prices

SCHEMA_VERSION = 2


def as_json(review: Review, *, base: str, uncommitted: tuple[str, ...] = ()) -> str:
    """Return the review as JSON text; money is text with two decimals, sizes are bytes."""
    regions = sorted({one.cost.price_region for one in review.environments if one.cost})
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
    for told, one in zip(content["environments"], review.environments, strict=True):
        told["changed"] = one.changed
    return json.dumps(content, indent=2, ensure_ascii=False, default=_plain) + "\n"


def _plain(value: Any) -> str:
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
