"""IoT rules: permissions and metrics of Lambda actions, and the `cloudwatchLogs` action."""
# ruff: noqa: SLF001 - ministack has no public extension API; contract tests cover its private names

import json
import time
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from typing import Any

from ministack.services import cloudwatch_logs, iot, lambda_svc

from local_aws.account_region import Scope
from local_aws.authorization.checks import Check
from local_aws.ministack_hooks.authorization import authorize_key
from local_aws.ministack_hooks.identity import service_session
from local_aws.ministack_hooks.registration import within
from local_aws.services.lambda_retries import call_with_retries

_CONCURRENT_CALLS = 2
_LONGEST_SESSION_NAME = 64
_calls = ThreadPoolExecutor(_CONCURRENT_CALLS, thread_name_prefix="topic-rule")


def complete_rule_actions() -> None:
    """Authorize Lambda actions and store their metrics; add the `cloudwatchLogs` action."""
    dispatch = iot._dispatch_rule_action

    async def dispatch_more(
        account: str, region: str, rule: str, action: dict[str, Any], event: Any
    ) -> None:
        scope = Scope(account, region)
        if "cloudwatchLogs" in action:
            _write_log(scope, action["cloudwatchLogs"], rule, event)
        elif "lambda" in action:
            _call(scope, action["lambda"]["functionArn"], rule, event)
        else:
            await dispatch(account, region, rule, action, event)

    iot._dispatch_rule_action = dispatch_more


def _call(scope: Scope, function_arn: str, rule: str, event: Any) -> None:
    """Invoke a function asynchronously, in the same way as IoT.

    Raises:
        RuntimeError: the function does not exist, or its policy does not allow this rule.
    """
    with within(scope):
        function, config, _ = lambda_svc._get_func_record_for_ref(function_arn)
    if function is None or config is None:
        raise RuntimeError(f"Function {function_arn} does not exist")
    arn = f"arn:aws:iot:{scope.region}:{scope.account}:rule/{rule}"
    if not any(_allows(statement, arn) for statement in function["policy"]["Statement"]):
        raise RuntimeError(f"{arn} is not authorized to perform lambda:InvokeFunction")
    record = lambda_svc._execution_record_for_config(function, config)
    _calls.submit(_run, scope, config["FunctionName"], record, event)


def _run(scope: Scope, name: str, record: dict[str, Any], event: Any) -> None:
    def call() -> dict[str, Any]:
        began = time.monotonic()
        result: dict[str, Any] = lambda_svc._execute_function_with_config_scope(record, event)
        with within(scope):
            lambda_svc._emit_lambda_metrics(
                name,
                duration_ms=(time.monotonic() - began) * 1000,
                error=bool(result.get("error")),
                throttle=bool(result.get("throttle")),
            )
        return result

    call_with_retries(call)


def _allows(statement: dict[str, Any], rule_arn: str) -> bool:
    principal = statement.get("Principal", {})
    service = principal.get("Service") if isinstance(principal, dict) else principal
    source = statement.get("Condition", {}).get("ArnLike", {}).get("AWS:SourceArn", "*")
    return (
        statement["Effect"] == "Allow"
        and service in ("iot.amazonaws.com", "*")
        and fnmatchcase(rule_arn, source)
    )


def _check_writer(scope: Scope, role_arn: str, group: str, rule: str) -> None:
    """Check a role's permissions to write to a log stream.

    Source: IoT Developer Guide, "CloudWatch Logs" action.
    """
    rule_arn = f"arn:aws:iot:{scope.region}:{scope.account}:rule/{rule}"
    stream = f"arn:aws:logs:{scope.region}:{scope.account}:log-group:{group}:log-stream:{rule}"
    key = service_session(role_arn, "iot.amazonaws.com", rule_arn, rule[:_LONGEST_SESSION_NAME])
    for action in ("CreateLogStream", "DescribeLogStreams", "PutLogEvents"):
        authorize_key(key, Check(f"logs:{action}", stream))


def _write_log(scope: Scope, action: dict[str, Any], rule: str, event: Any) -> None:
    """Write one log event to the stream named after the rule, with the role of the action.

    Raises:
        RuntimeError: the log group does not exist.
        ServiceError: the role does not trust IoT for this rule, or is not authorized to write.
    """
    group = action["logGroupName"]
    with within(scope):
        _check_writer(scope, action["roleArn"], group, rule)
        if group not in cloudwatch_logs._log_groups:
            raise RuntimeError(f"Log group {group} does not exist")
        cloudwatch_logs._create_log_stream({"logGroupName": group, "logStreamName": rule})
        cloudwatch_logs._put_log_events(
            {
                "logGroupName": group,
                "logStreamName": rule,
                "logEvents": [
                    {"timestamp": round(time.time() * 1000), "message": json.dumps(event)}
                ],
            }
        )
