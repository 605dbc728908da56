"""Estimate the monthly cost of an environment at list prices, by the size of its fleet.

`prices/` contains one file per Region, with a date and the source of each price. The usage is the
maximum that the templates allow: every camera is connected, with a detection in every frame.
"""

import datetime as dt
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from pathlib import Path
from typing import Any

from deeplens.assembly import Environment
from deeplens.assembly.intrinsics import parse_embedded_json

FLEET_SIZES = (1, 10, 100, 1000)

_TABLES = Path(__file__).with_name("prices")
# The Region whose price table applies to Regions without a table.
_OTHER_REGIONS = "us-east-1"
_MONTH_SECONDS = Decimal(730 * 3600)
_MILLION = Decimal(1_000_000)
_GIGABYTE = Decimal(10**9)
_MESSAGE_BYTES = Decimal(1000)

# Resource types that are billed by the hour, or by usage that templates do not contain.
_UNPRICED = (
    "AWS::CodeBuild::Project",
    "AWS::DynamoDB::Table",
    "AWS::EC2::Instance",
    "AWS::EC2::NatGateway",
    "AWS::Kinesis::Stream",
    "AWS::KinesisFirehose::DeliveryStream",
    "AWS::SageMaker::Endpoint",
    "AWS::SageMaker::NotebookInstance",
    "AWS::StepFunctions::StateMachine",
    "AWS::Timestream::Table",
)

Amounts = tuple[Decimal, ...]
"""An amount for each of `FLEET_SIZES`."""


@dataclass(frozen=True)
class Prices:
    """The price table.

    Attributes:
        units: the price of each unit by its name, in `currency`.
        resources: the monthly price of a resource, by its type.
        sources: the price pages.
        unverified: the names of the prices without a second source.
    """

    as_of: dt.date
    region: str
    currency: str
    units: Mapping[str, Decimal]
    resources: Mapping[str, Decimal]
    sources: tuple[str, ...]
    unverified: tuple[str, ...]


@dataclass(frozen=True)
class CostLine:
    """One type of monthly cost on both sides, in the prices' currency, by `FLEET_SIZES`."""

    name: str
    before: Amounts
    after: Amounts


@dataclass(frozen=True)
class Cost:
    """The cost estimate of one environment.

    Attributes:
        lines: all types of cost, with the total as the last line.
        rollout: the cost of downloading this change once, for each of `FLEET_SIZES`.
        not_counted: resource types of the template that cost money, but have no price here.
        price_region: the Region of the list prices.
    """

    lines: tuple[CostLine, ...]
    rollout: Amounts
    not_counted: tuple[str, ...]
    price_region: str


@cache
def read_prices(region: str) -> Prices:
    """Read the price table of a Region; for a Region without a table, that of us-east-1."""
    regions = {table.stem for table in _TABLES.glob("*.toml")}
    table = _TABLES / f"{region if region in regions else _OTHER_REGIONS}.toml"
    content = tomllib.loads(table.read_text(encoding="utf-8"), parse_float=Decimal)
    resources = content.pop("resources")
    units = {name: entry for name, entry in content.items() if isinstance(entry, dict)}
    entries = {**units, **resources}
    return Prices(
        as_of=content["as_of"],
        region=content["region"],
        currency=content["currency"],
        units={name: entry["price"] for name, entry in units.items()},
        resources={type_: entry["price"] for type_, entry in resources.items()},
        sources=tuple(sorted({entry["source"] for entry in entries.values()})),
        unverified=tuple(
            sorted(name for name, entry in entries.items() if not entry.get("verified", True))
        ),
    )


def compare_cost(before: Environment, after: Environment, download_bytes: int) -> Cost:
    """Return the cost estimate of both sides, at the prices of the new side's Region.

    Args:
        before: the previous side.
        after: the new side.
        download_bytes: the bytes that one camera downloads for the change.
    """
    prices = read_prices(after.region)
    old, new = dict(_month(before, prices)), dict(_month(after, prices))
    zero = tuple(Decimal(0) for _ in FLEET_SIZES)
    lines = [
        CostLine(name, _cents(old.get(name, zero)), _cents(new.get(name, zero)))
        for name in dict.fromkeys([*new, *old])
    ]
    total = CostLine("total", _cents(_sum(old.values())), _cents(_sum(new.values())))
    once = prices.units["downloaded_gigabyte"] * Decimal(download_bytes) / _GIGABYTE
    types = {resource.type for _, resource in after.every_resource()}
    return Cost(
        (*lines, total),
        _cents(tuple(once * size for size in FLEET_SIZES)),
        tuple(sorted(types & set(_UNPRICED))),
        prices.region,
    )


def _month(environment: Environment, prices: Prices) -> Iterator[tuple[str, Amounts]]:
    unit = prices.units
    counted = Counter(resource.type for _, resource in environment.every_resource())
    projects = counted["Custom::DeepLensProject"]
    if projects:
        yield "cameras: Greengrass", _each(unit["core_device_month"])
        yield (
            "cameras: connection",
            _each(unit["million_connection_minutes"] * _MONTH_SECONDS / 60 / _MILLION),
        )
        heartbeats, frames = _per_month(environment)
        yield (
            "cameras: heartbeats",
            _each(unit["million_shadow_operations"] * heartbeats / _MILLION),
        )
        yield (
            "cameras: detections, maximum",
            _each(unit["million_messages"] * frames / _MILLION),
        )
        rules = _rules(environment, prices, heartbeats, frames)
        if rules:
            yield "rules on messages, maximum", _each(rules)
    for type_, price in prices.resources.items():
        if counted[type_]:
            yield f"{type_} ({counted[type_]})", _fixed(price * counted[type_])
    stored = sum(
        path.stat().st_size
        for stack, resource in environment.every_resource()
        if resource.type == "Custom::ModelArtifact"
        for key in [str(environment.resolve(stack, resource.properties.get("SourceKey", "")))]
        for path in [environment.assets.get(key.partition(".")[0])]
        if path and path.is_file()
    )
    if stored:
        yield "the model in S3", _fixed(unit["stored_gigabyte_month"] * stored / _GIGABYTE)


def _per_month(environment: Environment) -> tuple[Decimal, Decimal]:
    """Return the heartbeats and frames of one camera per month; 0 without an interval."""
    intervals: dict[str, Decimal] = {}
    for stack, resource in environment.every_resource():
        if resource.type == "Custom::GreengrassComponent":
            properties = parse_embedded_json(environment.resolve(stack, dict(resource.properties)))
            intervals.update(_intervals(properties))
    return tuple(  # type: ignore[return-value]  # one per name
        _MONTH_SECONDS / intervals[name] if intervals.get(name) else Decimal(0)
        for name in ("DEEPLENS_HEARTBEAT_INTERVAL_SECONDS", "DEEPLENS_FRAME_INTERVAL_SECONDS")
    )


def _intervals(value: Any) -> Iterator[tuple[str, Decimal]]:
    if isinstance(value, dict):
        for key, part in value.items():
            if key.startswith("DEEPLENS_") and key.endswith("_INTERVAL_SECONDS"):
                yield key, Decimal(str(part))
            else:
                yield from _intervals(part)
    elif isinstance(value, list):
        for part in value:
            yield from _intervals(part)


def _rules(
    environment: Environment, prices: Prices, heartbeats: Decimal, frames: Decimal
) -> Decimal:
    """Return the monthly cost of the topic rules for one camera, in the currency of the prices."""
    unit, total = prices.units, Decimal(0)
    for stack, resource in environment.every_resource():
        if resource.type != "AWS::IoT::TopicRule":
            continue
        payload = environment.resolve(stack, resource.properties.get("TopicRulePayload", {}))
        messages = heartbeats if "/shadow/" in str(payload.get("Sql", "")) else frames
        actions = payload.get("Actions", [])
        total += messages / _MILLION * unit["million_rules_triggered"]
        total += messages / _MILLION * unit["million_rule_actions"] * len(actions)
        for action in actions:
            if "CloudwatchMetric" in action:
                total += messages / 1000 * unit["thousand_metric_requests"]
            if "CloudwatchLogs" in action:
                total += messages * _MESSAGE_BYTES / _GIGABYTE * unit["log_gigabyte"]
    return total


def _each(price: Decimal) -> Amounts:
    return tuple(price * size for size in FLEET_SIZES)


def _fixed(price: Decimal) -> Amounts:
    return tuple(price for _ in FLEET_SIZES)


def _sum(amounts: Any) -> Amounts:
    return tuple(sum(column, Decimal(0)) for column in zip(*amounts, strict=True)) or tuple(
        Decimal(0) for _ in FLEET_SIZES
    )


def _cents(amounts: Amounts) -> Amounts:
    return tuple(amount.quantize(Decimal("0.01"), ROUND_HALF_UP) for amount in amounts)
