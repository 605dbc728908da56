"""The estimated cost is the sum of documented prices."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from deeplens.assembly import Environment
from deeplens.review.cost import FLEET_SIZES, compare_cost, read_prices


def camera(frame_seconds: float, heartbeat_seconds: float) -> dict[str, Any]:
    variables = {
        "DEEPLENS_FRAME_INTERVAL_SECONDS": str(frame_seconds),
        "DEEPLENS_HEARTBEAT_INTERVAL_SECONDS": str(heartbeat_seconds),
    }
    definition = {"componentLambdaParameters": {"environmentVariables": variables}}
    return {
        "Project": {"Type": "Custom::DeepLensProject"},
        "Function": {
            "Type": "Custom::GreengrassComponent",
            "Properties": {"LambdaFunction": json.dumps(definition)},
        },
    }


def in_virginia(environment: Environment) -> Environment:
    """Return the environment in us-east-1, where prices are round numbers."""
    return replace(environment, region="us-east-1")


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
def test_every_price_has_a_source_and_the_table_a_date(region: str) -> None:
    prices = read_prices(region)
    assert prices.region == region
    assert prices.as_of.year >= 2025
    assert all(source.startswith("https://aws.amazon.com/") for source in prices.sources)
    assert all(price > 0 for price in (*prices.units.values(), *prices.resources.values()))


def test_both_regions_have_the_same_prices_by_name() -> None:
    virginia, frankfurt = read_prices("us-east-1"), read_prices("eu-central-1")
    assert virginia.units.keys() == frankfurt.units.keys()
    assert virginia.resources.keys() == frankfurt.resources.keys()


def test_a_region_without_a_table_has_the_prices_of_another_one_and_names_it() -> None:
    assert read_prices("ap-south-1").region == "us-east-1"


def test_prices_are_those_of_the_environments_region(environment: Any) -> None:
    fleet = environment(Inference=camera(frame_seconds=1, heartbeat_seconds=10))
    virginia, frankfurt = (
        compare_cost(side, side, 0)
        for side in (replace(fleet, region="us-east-1"), replace(fleet, region="eu-central-1"))
    )
    assert (virginia.price_region, frankfurt.price_region) == ("us-east-1", "eu-central-1")
    assert frankfurt.lines[-1].after[0] > virginia.lines[-1].after[0]


def test_a_key_costs_the_same_for_every_fleet(environment: Any) -> None:
    cost = compare_cost(
        environment(Store={}), environment(Store={"Key": {"Type": "AWS::KMS::Key"}}), 0
    )
    (key, total) = cost.lines
    assert set(key.before) == {Decimal("0.00")}
    assert set(key.after) == {Decimal("1.00")}
    assert total.after == key.after


def test_a_camera_costs_as_much_as_its_messages_in_a_month(environment: Any) -> None:
    fleet = in_virginia(environment(Inference=camera(frame_seconds=1, heartbeat_seconds=10)))
    lines = {line.name: line.after for line in compare_cost(fleet, fleet, 0).lines}
    # One message per second for 2,628,000 s per month at 1 USD per million, and a heartbeat every
    # 10 s at 1.25 USD per million.
    assert lines["cameras: detections, maximum"][0] == Decimal("2.63")
    assert lines["cameras: heartbeats"][0] == Decimal("0.33")
    assert lines["cameras: detections, maximum"][-1] == Decimal("2628.00")


def test_twice_the_frames_are_twice_the_messages(environment: Any) -> None:
    slow = environment(Inference=camera(1, 10))
    fast = environment(Inference=camera(0.5, 10))
    by_name = {line.name: line for line in compare_cost(slow, fast, 0).lines}
    messages = by_name["cameras: detections, maximum"]
    assert messages.after[-1] == 2 * messages.before[-1]


def test_a_rule_costs_for_each_message_and_each_action(environment: Any) -> None:
    rule = {
        "Type": "AWS::IoT::TopicRule",
        "Properties": {
            "TopicRulePayload": {
                "Sql": "SELECT * FROM 'deeplens/+/infer'",
                "Actions": [{"CloudwatchMetric": {}}],
            }
        },
    }
    before = environment(Inference=camera(1, 10))
    after = in_virginia(environment(Inference=camera(1, 10), Monitoring={"Rule": rule}))
    lines = {line.name: line for line in compare_cost(before, after, 0).lines}
    # 2.628 million messages at 0.15 USD per million, each for rule and action, and 0.01 USD per
    # thousand metrics.
    assert lines["rules on messages, maximum"].after[0] == Decimal("27.07")
    assert lines["rules on messages, maximum"].before[0] == Decimal("0.00")


def test_resource_types_without_a_price_are_listed(environment: Any) -> None:
    endpoint = environment(Hosting={"Endpoint": {"Type": "AWS::SageMaker::Endpoint"}})
    assert compare_cost(endpoint, endpoint, 0).not_counted == ("AWS::SageMaker::Endpoint",)


def test_the_download_of_a_change_costs_once_by_camera(environment: Any) -> None:
    empty = environment(Store={})
    rollout = compare_cost(empty, empty, 10**9).rollout
    assert rollout == tuple(Decimal("0.09") * size for size in FLEET_SIZES)
