"""Who is told when something is wrong, and what is heard at all."""

from collections.abc import Iterator
from typing import Any

from deeplens.policy.reading import (
    Finding,
    Rule,
    Stack,
    denies_without_tls,
    listed,
    names_own,
    statements,
    text,
)


def alarms_tell(stacks: list[Stack]) -> Iterator[Finding]:
    """An alarm that tells nobody is none."""
    exported = {name for stack in stacks for name in _exported_topics(stack)}
    for stack, logical_id, alarm in _resources(stacks, "AWS::CloudWatch::Alarm"):
        topics = exported | _topics(stack)
        for when in ("AlarmActions", "OKActions"):
            if not topics & {text(action) for action in alarm.get(when, [])}:
                yield stack.finding("alarms-tell", logical_id, f"put the alarm topic into {when}")
        if alarm.get("ActionsEnabled") is False:
            yield stack.finding("alarms-tell", logical_id, "do not disable its actions")


def _topics(stack: Stack) -> set[str]:
    return {f"${{{name}}}" for name, _ in stack.resources("AWS::SNS::Topic")}


def _exported_topics(stack: Stack) -> Iterator[str]:
    """Yield the topics that other stacks of the environment may name, as they name them."""
    for output in stack.template.get("Outputs", {}).values():
        if "Export" in output and text(output["Value"]) in _topics(stack):
            yield f"${{{output['Export']['Name']}}}"


def silence_alarms(stacks: list[Stack]) -> Iterator[Finding]:
    """The fleet and each listed camera have an alarm that missing heartbeats set off."""
    watched = set()
    for stack, logical_id, alarm in _resources(stacks, "AWS::CloudWatch::Alarm"):
        if alarm.get("MetricName") != "Heartbeats":
            continue
        dimensions = {one["Name"]: one["Value"] for one in alarm.get("Dimensions", [])}
        watched.add(dimensions.get("Thing"))
        if alarm.get("TreatMissingData") != "breaching":
            advice = "treat missing data as breaching: silence sends no data"
            yield stack.finding("silence-alarms", logical_id, advice)
    hears = [stack for stack, _, _ in _resources(stacks, "AWS::IoT::TopicRule")]
    if hears and None not in watched:
        yield hears[0].finding("silence-alarms", "Fleet", "add the alarm for the fleet's silence")
    for stack, logical_id, thing in _resources(stacks, "AWS::IoT::Thing"):
        if hears and thing["ThingName"] not in watched:
            advice = f"add an alarm for the silence of {thing['ThingName']}"
            yield stack.finding("silence-alarms", logical_id, advice)


def encrypted_topic(stacks: list[Stack]) -> Iterator[Finding]:
    """Topics are encrypted with a key that CloudWatch may use, and refuse what has no TLS."""
    for stack, logical_id, topic in _resources(stacks, "AWS::SNS::Topic"):
        keys = {f"${{{name}.Arn}}" for name, _ in stack.resources("AWS::KMS::Key")}
        if text(topic.get("KmsMasterKeyId", "")) not in keys:
            advice = "encrypt it with a key of this stack; CloudWatch cannot use SNS' own"
            yield stack.finding("encrypted-topic", logical_id, advice)
        policies = [
            policy["Properties"]
            for _, policy in stack.resources("AWS::SNS::TopicPolicy")
            if f"${{{logical_id}}}" in [text(one) for one in policy["Properties"]["Topics"]]
        ]
        said = [one for policy in policies for one in statements(policy["PolicyDocument"])]
        own = {f"${{{logical_id}}}"}
        if not any(denies_without_tls(one, {"sns:Publish"}, own) for one in said):
            yield stack.finding("encrypted-topic", logical_id, "deny sns:Publish without TLS")
        for one in said:
            if one["Effect"] == "Allow" and "aws:SourceAccount" not in text(
                one.get("Condition", {})
            ):
                advice = "allow publishing for aws:SourceAccount only"
                yield stack.finding("encrypted-topic", logical_id, advice)
            if one["Effect"] == "Allow" and listed(one.get("Action")) != ["sns:Publish"]:
                advice = f"allow sns:Publish and nothing else, not {text(one.get('Action'))}"
                yield stack.finding("encrypted-topic", logical_id, advice)


def rules_hear(stacks: list[Stack]) -> Iterator[Finding]:
    """What an IoT rule cannot hand over is logged; nothing hears other environments' topics."""
    for stack, logical_id, rule in _resources(stacks, "AWS::IoT::TopicRule"):
        payload = rule["TopicRulePayload"]
        if payload.get("RuleDisabled"):
            yield stack.finding("rules-hear", logical_id, "do not disable the rule")
        if "ErrorAction" not in payload:
            yield stack.finding("rules-hear", logical_id, "add an error action")
        sql = payload["Sql"]
        if "'#'" in sql or ("FROM '$aws/" in sql and " WHERE " not in sql):
            advice = "select this environment's messages: a topic of its own, or a WHERE"
            yield stack.finding("rules-hear", logical_id, advice)


def callers_named(stacks: list[Stack]) -> Iterator[Finding]:
    """A function that a service may call says for which of this account's resources."""
    for stack, logical_id, permission in _resources(stacks, "AWS::Lambda::Permission"):
        if not names_own(text(permission.get("SourceArn", "")), stack.account):
            advice = "add SourceArn: which rule or resource of this account may call it"
            yield stack.finding("callers-named", logical_id, advice)


def undelivered_events(stacks: list[Stack]) -> Iterator[Finding]:
    """Undelivered events go to an encrypted queue that accepts them from their rule only.

    Source: EventBridge User Guide, "Using dead-letter queues to process undelivered events".
    """
    for stack, logical_id, rule in _resources(stacks, "AWS::Events::Rule"):
        for target in rule.get("Targets", []):
            queue = text(target.get("DeadLetterConfig", {}).get("Arn", ""))
            name = queue.removeprefix("${").removesuffix(".Arn}")
            found = stack.template["Resources"].get(name, {})
            if found.get("Type") != "AWS::SQS::Queue":
                advice = f"target {target['Id']}: add a DeadLetterConfig with a queue of this stack"
                yield stack.finding("undelivered-events", logical_id, advice)
                continue
            if not {"SqsManagedSseEnabled", "KmsMasterKeyId"} & {
                key for key, value in found.get("Properties", {}).items() if value
            }:
                yield stack.finding("undelivered-events", name, "encrypt the queue")
            said = list(_queue_statements(stack, name))
            if not any(_takes_from(one, f"${{{logical_id}.Arn}}", queue) for one in said):
                advice = f"allow events.amazonaws.com sqs:SendMessage for {logical_id}, only"
                yield stack.finding("undelivered-events", name, advice)
            if not any(denies_without_tls(one, {"sqs:*"}, {queue}) for one in said):
                yield stack.finding("undelivered-events", name, "deny sqs:* without TLS")


def _queue_statements(stack: Stack, queue: str) -> Iterator[dict[str, Any]]:
    for _, policy in stack.resources("AWS::SQS::QueuePolicy"):
        if f"${{{queue}}}" in [text(one) for one in policy["Properties"]["Queues"]]:
            yield from statements(policy["Properties"]["PolicyDocument"])


def _takes_from(statement: dict[str, Any], rule: str, queue: str) -> bool:
    condition = statement.get("Condition", {}).get("ArnEquals", {})
    return (
        statement["Effect"] == "Allow"
        and statement.get("Principal") == {"Service": "events.amazonaws.com"}
        and statement.get("Action") == "sqs:SendMessage"
        and text(statement.get("Resource")) == queue
        and [text(one) for one in listed(condition.get("aws:SourceArn", []))] == [rule]
    )


def _resources(stacks: list[Stack], type_: str) -> Iterator[tuple[Stack, str, dict[str, Any]]]:
    for stack in stacks:
        for logical_id, resource in stack.resources(type_):
            yield stack, logical_id, resource.get("Properties", {})


RULES: tuple[Rule, ...] = (
    alarms_tell,
    silence_alarms,
    encrypted_topic,
    rules_hear,
    callers_named,
    undelivered_events,
)
