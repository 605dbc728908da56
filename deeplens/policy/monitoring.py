"""Rules about alarms, topics, and rules that receive messages and events."""

from collections.abc import Iterator
from typing import Any

from deeplens.assembly import Stack, as_list, text
from deeplens.assembly.policy_documents import denies_without_tls, is_in_account, statements
from deeplens.policy.violation import Rule, Violation, violation


def alarms_notify(stacks: list[Stack]) -> Iterator[Violation]:
    """Require that each alarm notifies the alarm topic when its state becomes ALARM or OK."""
    exported = {name for stack in stacks for name in _exported_topics(stack)}
    for stack, logical_id, alarm in _resources(stacks, "AWS::CloudWatch::Alarm"):
        topics = exported | _topics(stack)
        for actions in ("AlarmActions", "OKActions"):
            if not topics & {text(action) for action in alarm.get(actions, [])}:
                yield violation(
                    stack, "alarms-notify", logical_id, f"add the alarm topic to {actions}"
                )
        if alarm.get("ActionsEnabled") is False:
            yield violation(stack, "alarms-notify", logical_id, "remove ActionsEnabled: false")


def _topics(stack: Stack) -> set[str]:
    return {f"${{{name}}}" for name, _ in stack.definitions("AWS::SNS::Topic")}


def _exported_topics(stack: Stack) -> Iterator[str]:
    """Yield references to the exported topics, as other stacks of the environment write them."""
    for output in stack.template.get("Outputs", {}).values():
        if "Export" in output and text(output["Value"]) in _topics(stack):
            yield f"${{{output['Export']['Name']}}}"


def heartbeat_alarms(stacks: list[Stack]) -> Iterator[Violation]:
    """Require alarms for missing heartbeats of the fleet and of each listed camera."""
    watched = set()
    for stack, logical_id, alarm in _resources(stacks, "AWS::CloudWatch::Alarm"):
        if alarm.get("MetricName") != "Heartbeats":
            continue
        dimensions = {
            dimension["Name"]: dimension["Value"] for dimension in alarm.get("Dimensions", [])
        }
        watched.add(dimensions.get("Thing"))
        if alarm.get("TreatMissingData") != "breaching":
            advice = "set TreatMissingData to breaching: a camera that is off sends no data"
            yield violation(stack, "heartbeat-alarms", logical_id, advice)
    monitoring = [stack for stack, _, _ in _resources(stacks, "AWS::IoT::TopicRule")]
    if monitoring and None not in watched:
        yield violation(
            monitoring[0],
            "heartbeat-alarms",
            "Fleet",
            "add an alarm for missing heartbeats of the fleet",
        )
    for stack, logical_id, thing in _resources(stacks, "AWS::IoT::Thing"):
        if monitoring and thing["ThingName"] not in watched:
            advice = f"add an alarm for missing heartbeats of {thing['ThingName']}"
            yield violation(stack, "heartbeat-alarms", logical_id, advice)


def encrypted_topic(stacks: list[Stack]) -> Iterator[Violation]:
    """Require for each topic TLS, limited publishers, and a KMS key of its stack.

    CloudWatch cannot use the AWS managed key of SNS.
    """
    for stack, logical_id, topic in _resources(stacks, "AWS::SNS::Topic"):
        keys = {f"${{{name}.Arn}}" for name, _ in stack.definitions("AWS::KMS::Key")}
        if text(topic.get("KmsMasterKeyId", "")) not in keys:
            advice = "encrypt it with a key of this stack; CloudWatch cannot use the key of SNS"
            yield violation(stack, "encrypted-topic", logical_id, advice)
        policies = [
            policy["Properties"]
            for _, policy in stack.definitions("AWS::SNS::TopicPolicy")
            if f"${{{logical_id}}}" in [text(name) for name in policy["Properties"]["Topics"]]
        ]
        of_topic = [
            statement for policy in policies for statement in statements(policy["PolicyDocument"])
        ]
        arns = {f"${{{logical_id}}}"}
        if not any(denies_without_tls(statement, {"sns:Publish"}, arns) for statement in of_topic):
            yield violation(stack, "encrypted-topic", logical_id, "deny sns:Publish without TLS")
        for statement in of_topic:
            if statement["Effect"] != "Allow":
                continue
            if "aws:SourceAccount" not in text(statement.get("Condition", {})):
                advice = "limit publishing by aws:SourceAccount"
                yield violation(stack, "encrypted-topic", logical_id, advice)
            if as_list(statement.get("Action")) != ["sns:Publish"]:
                advice = f"allow only sns:Publish, not {text(statement.get('Action'))}"
                yield violation(stack, "encrypted-topic", logical_id, advice)


def topic_rules(stacks: list[Stack]) -> Iterator[Violation]:
    """Require enabled IoT rules with an error action, for messages of one environment only."""
    for stack, logical_id, rule in _resources(stacks, "AWS::IoT::TopicRule"):
        payload = rule["TopicRulePayload"]
        if payload.get("RuleDisabled"):
            yield violation(stack, "topic-rules", logical_id, "remove RuleDisabled")
        if "ErrorAction" not in payload:
            yield violation(stack, "topic-rules", logical_id, "add an ErrorAction")
        sql = payload["Sql"]
        if "'#'" in sql or ("FROM '$aws/" in sql and " WHERE " not in sql):
            advice = "select only messages of this environment: by its topic, or with WHERE"
            yield violation(stack, "topic-rules", logical_id, advice)


def function_callers(stacks: list[Stack]) -> Iterator[Violation]:
    """Require a source ARN in this account for each permission to call a function."""
    for stack, logical_id, permission in _resources(stacks, "AWS::Lambda::Permission"):
        if not is_in_account(text(permission.get("SourceArn", "")), stack.account):
            advice = "add SourceArn: the rule or resource of this account that may call it"
            yield violation(stack, "function-callers", logical_id, advice)


def undelivered_events(stacks: list[Stack]) -> Iterator[Violation]:
    """Require an encrypted queue that accepts a rule's undelivered events, and only over TLS.

    Source: EventBridge User Guide, "Using dead-letter queues to process undelivered events".
    """
    for stack, logical_id, rule in _resources(stacks, "AWS::Events::Rule"):
        for target in rule.get("Targets", []):
            queue = text(target.get("DeadLetterConfig", {}).get("Arn", ""))
            name = queue.removeprefix("${").removesuffix(".Arn}")
            definition = stack.template["Resources"].get(name, {})
            if definition.get("Type") != "AWS::SQS::Queue":
                advice = f"target {target['Id']}: add a DeadLetterConfig with a queue of this stack"
                yield violation(stack, "undelivered-events", logical_id, advice)
                continue
            if not {"SqsManagedSseEnabled", "KmsMasterKeyId"} & {
                key for key, value in definition.get("Properties", {}).items() if value
            }:
                yield violation(stack, "undelivered-events", name, "encrypt the queue")
            of_queue = list(_queue_statements(stack, name))
            rule_arn = f"${{{logical_id}.Arn}}"
            if not any(_allows_rule(statement, rule_arn, queue) for statement in of_queue):
                advice = f"allow events.amazonaws.com sqs:SendMessage only for {logical_id}"
                yield violation(stack, "undelivered-events", name, advice)
            if not any(denies_without_tls(statement, {"sqs:*"}, {queue}) for statement in of_queue):
                yield violation(stack, "undelivered-events", name, "deny sqs:* without TLS")


def _queue_statements(stack: Stack, queue: str) -> Iterator[dict[str, Any]]:
    for _, policy in stack.definitions("AWS::SQS::QueuePolicy"):
        if f"${{{queue}}}" in [text(name) for name in policy["Properties"]["Queues"]]:
            yield from statements(policy["Properties"]["PolicyDocument"])


def _allows_rule(statement: dict[str, Any], rule: str, queue: str) -> bool:
    condition = statement.get("Condition", {}).get("ArnEquals", {})
    return (
        statement["Effect"] == "Allow"
        and statement.get("Principal") == {"Service": "events.amazonaws.com"}
        and statement.get("Action") == "sqs:SendMessage"
        and text(statement.get("Resource")) == queue
        and [text(arn) for arn in as_list(condition.get("aws:SourceArn"))] == [rule]
    )


def _resources(stacks: list[Stack], type_: str) -> Iterator[tuple[Stack, str, dict[str, Any]]]:
    for stack in stacks:
        for logical_id, resource in stack.definitions(type_):
            yield stack, logical_id, resource.get("Properties", {})


RULES: tuple[Rule, ...] = (
    alarms_notify,
    heartbeat_alarms,
    encrypted_topic,
    topic_rules,
    function_callers,
    undelivered_events,
)
