"""Check the private names of ministack that the hooks use.

An upgrade of ministack requires a review of these names.
"""

import importlib.metadata
import inspect
from importlib import import_module

import pytest

from local_aws.ministack_hooks import MINISTACK_VERSION

pytestmark = pytest.mark.emulator

PRIVATE_NAMES = {
    "ministack.app": [
        "AUTH", "SERVICE_HANDLERS", "SERVICE_REGISTRY", "_build_persistence_save_dict",
        "_handle_post_body_shortcuts", "_loaded_modules", "_state_map", "app", "pin_request_origin",
        "pin_signed_request",
    ],
    "ministack.core.iam_actions": [
        "SERVICE_TO_IAM_NAMESPACE", "_s3_action", "access_denied_response", "extract_iam_action",
        "extract_resource_arn", "identity_denial_message", "s3_additional_checks",
    ],
    "ministack.core.iam_evaluator": [
        "EvalContext", "_first_match", "_fnmatch_compile", "_gather_role_policies",
        "_names_caller", "_permissions_boundary", "_principal_matches", "_resolve_condition_key",
        "_role_name_from_assumed_arn", "_verified_key", "combine_resource_policy", "enforce",
        "evaluate", "evaluate_resource_policy", "parse_policy_document",
        "pin_request_origin", "resolve_principal",
    ],
    "ministack.core.lambda_runtime": ["execution_credentials", "reset"],
    "ministack.core.persistence": ["_json_default", "_state_format_version"],
    "ministack.core.responses": [
        "_WIRE_CT_SUCCESS_OVERRIDE", "get_account_id", "get_region", "request_scope",
    ],
    "ministack.core.router": ["SERVICE_PATTERNS"],
    "ministack.services.cloudformation": ["_change_sets", "_stacks"],
    "ministack.services.cloudformation.custom_resource": [
        "_pending", "deliver_response", "invoke_custom_resource",
    ],
    "ministack.services.cloudformation.engine": ["CfnLoader"],
    "ministack.services.cloudformation.handlers": [
        "_ACTION_HANDLERS", "_delete_stack_async", "_resolve_stack", "_roll_back_operation",
    ],
    "ministack.services.cloudformation.provisioners": [
        "_RESOURCE_HANDLERS", "_S3_BUCKET_CONFIGURATIONS", "_physical_name", "_replacing_change",
    ],
    "ministack.services.cloudformation.stacks": [
        "_add_event", "_delete_resource", "_delete_stack_async", "_evaluate_conditions",
        "_provision_resource", "_resolve_refs", "_roll_back_operation", "_runs_on_worker_thread",
        "_update_resource", "_with_dependencies", "now_iso",
    ],
    "ministack.services.cloudwatch": [
        "_alarms", "_calc_stats", "_dims_from_list", "_dims_key", "_dispatch_alarm_actions",
        "_evaluate_alarm", "_evaluate_all_alarms", "_evaluate_parent_alarms", "_metrics",
        "_record_history", "_stat_value", "_store_datum",
    ],
    "ministack.services.cloudwatch_logs": [
        "_append_log_events", "_create_log_stream", "_log_groups", "_put_log_events",
    ],
    "ministack.services.eventbridge": ["_put_events"],
    "ministack.services.iam": ["_group_inline_policies", "_roles", "_user_inline_policies"],
    "ministack.services.iot": [
        "MQTT_5", "_cancel_job", "_certificates", "_create_job", "_deep_merge",
        "_describe_endpoint", "_dispatch_rule_action", "_handle_jobs_publish",
        "_handle_thing_principals", "_job_target_resolve", "_jobs", "_jobs_rejected",
        "_mqtt_policy_allows", "_mqtt_policy_context", "_mtls_active_registrations",
        "_mtls_build_ssl_context", "_mtls_ensure_server_cert", "_mtls_handle_conn", "_mtls_loop",
        "_mtls_port", "_mtls_refusal_reason", "_mtls_server", "_mtls_server_cert_sans",
        "_mtls_start_locked", "_register_client", "_reserved_topic_publish_allowed",
        "_shadow_error", "_shadows", "_subscription_matches", "_subscriptions", "_thing_group_arn",
        "_thing_groups", "_things", "_unscope_topic", "broker_publish", "broker_subscribe",
        "get_ca_cert_pem", "get_thing_shadow", "jobs_describe_execution",
        "jobs_first_pending_job_id", "jobs_notify_thing", "jobs_pending_for_thing",
        "mtls_is_listening", "publishing_events", "shadow_emit_update_responses",
        "update_thing_shadow",
    ],
    "ministack.services.iot_data": ["error_response_json"],
    "ministack.services.lambda_svc": [
        "_emit_lambda_metrics", "_execute_function_with_config_scope",
        "_execution_record_for_config", "_get_func_record_for_qualifier",
        "_get_func_record_for_ref", "execution_credentials",
    ],
    "ministack.services.s3": [
        "_atomic_write", "_bucket_default_sse_headers", "_bucket_owner_account", "_buckets",
        "_check_put_preconditions", "_copy_object", "_create_bucket", "_delete_bucket_encryption",
        "_delete_bucket_lifecycle", "_delete_bucket_ownership_controls", "_delete_bucket_tagging",
        "_ensure_bucket", "_error", "_get_object_data", "_multipart_uploads",
        "_put_bucket_encryption", "_put_bucket_lifecycle", "_put_bucket_logging",
        "_put_bucket_ownership_controls", "_put_bucket_tagging", "_put_object",
        "_put_object_lock_configuration", "_resolve_sse_write_headers", "_stored_sse_headers",
        "_verify_presigned_sigv4", "bucket_region",
    ],
    "ministack.services.sns": ["_topics"],
    "ministack.services.sts": [
        "_gen_secret", "_gen_session_access_key", "_gen_session_token", "_sessions",
        "register_session",
    ],
}  # fmt: skip
SIGNATURES = {
    "ministack.app._handle_post_body_shortcuts": [
        "method", "path", "headers", "body", "query_params", "request_id",
    ],
    "ministack.core.iam_actions.access_denied_response": [
        "service", "action", "principal_arn", "request_id", "error_code", "message", "headers",
        "resource_arn", "explicit_deny", "resource_policy_arn",
    ],
    "ministack.core.iam_actions.extract_iam_action": [
        "service", "method", "path", "headers", "body", "query_params",
    ],
    "ministack.core.iam_actions.identity_denial_message": [
        "action", "principal_arn", "resource", "explicit_deny",
    ],
    "ministack.core.iam_actions.s3_additional_checks": [
        "method", "path", "headers", "body", "query_params",
    ],
    "ministack.core.iam_evaluator._gather_role_policies": ["role_name", "account_id"],
    "ministack.core.iam_evaluator._permissions_boundary": ["store", "name", "account_id"],
    "ministack.core.iam_evaluator._resolve_condition_key": ["key", "ctx"],
    "ministack.core.iam_evaluator.combine_resource_policy": [
        "identity", "ctx", "policy", "owner_account", "required", "limits",
    ],
    "ministack.core.iam_evaluator.enforce": [
        "access_key_id", "iam_action", "service", "region", "resource_arn", "service_context",
    ],
    "ministack.core.iam_evaluator.evaluate": ["ctx", "policies", "limits"],
    "ministack.core.iam_evaluator.pin_request_origin": ["source_ip", "secure_transport"],
    "ministack.core.lambda_runtime.execution_credentials": ["config"],
    "ministack.services.cloudformation.custom_resource.deliver_response": ["token", "response"],
    "ministack.services.cloudformation.custom_resource.invoke_custom_resource": [
        "request_type", "logical_id", "props", "stack_name", "stack_id", "resource_type",
        "physical_id", "old_props",
    ],
    "ministack.services.cloudformation.provisioners._replacing_change": [
        "resource_type", "old_props", "new_props",
    ],
    "ministack.services.cloudformation.stacks._add_event": [
        "stack_id", "stack_name", "logical_id", "resource_type", "status", "reason", "physical_id",
        "detailed_status",
    ],
    "ministack.services.cloudformation.stacks._delete_resource": [
        "resource_type", "physical_id", "props", "stack_name", "logical_id",
    ],
    "ministack.services.cloudformation.stacks._delete_stack_async": [
        "stack_name", "stack_id", "retain_resources", "force",
    ],
    "ministack.services.cloudformation.stacks._provision_resource": [
        "resource_type", "logical_id", "props", "stack_name",
    ],
    "ministack.services.cloudformation.stacks._resolve_refs": [
        "value", "resources", "params", "conditions", "mappings", "stack_name", "stack_id",
    ],
    "ministack.services.cloudformation.stacks._roll_back_operation": [
        "stack_name", "stack_id", "stack", "operation", "reason_override",
    ],
    "ministack.services.cloudformation.stacks._runs_on_worker_thread": ["resource_type"],
    "ministack.services.cloudformation.stacks._update_resource": [
        "resource_type", "physical_id", "old_props", "new_props", "stack_name", "logical_id",
        "old_attrs",
    ],
    "ministack.services.cloudformation.stacks._with_dependencies": [
        "logical_ids", "res_defs", "remaining",
    ],
    "ministack.services.cloudwatch._dispatch_alarm_actions": [
        "alarm", "old_state", "new_state", "reason",
    ],
    "ministack.services.cloudwatch._evaluate_alarm": ["alarm"],
    "ministack.services.cloudwatch._store_datum": [
        "namespace", "name", "dims", "ts", "unit", "value", "values", "counts", "stat_values",
    ],
    "ministack.services.cloudwatch_logs._append_log_events": ["stream", "events"],
    "ministack.services.eventbridge._put_events": ["data", "allow_aws_source"],
    "ministack.services.iot._cancel_job": ["job_id", "payload", "qp"],
    "ministack.services.iot._create_job": ["job_id", "payload"],
    "ministack.services.iot._handle_jobs_publish": [
        "account_id", "region", "thing", "verb", "job_id", "payload",
    ],
    "ministack.services.iot.jobs_notify_thing": [
        "account_id", "region", "thing_name", "prev_next_job_id",
    ],
    "ministack.services.iot._dispatch_rule_action": [
        "account_id", "region", "rule_name", "action", "event",
    ],
    "ministack.services.iot._mqtt_policy_allows": [
        "account_id", "region", "certificate_id", "context", "action", "resource",
        "provisioning_template",
    ],
    "ministack.services.iot._mtls_build_ssl_context": [],
    "ministack.services.iot._mtls_handle_conn": ["reader", "writer"],
    "ministack.services.iot._register_client": [
        "account_id", "region", "client_id", "session", "superseded_reason",
    ],
    "ministack.services.iot.broker_subscribe": [
        "account_id", "region", "topic_filter", "callback", "granted_qos", "client_id",
        "retain_as_published", "retain_handling",
    ],
    "ministack.services.iot.broker_publish": [
        "account_id", "region", "topic", "payload", "qos", "retain", "properties", "client_id",
        "principal",
    ],
    "ministack.services.iot.shadow_emit_update_responses": [
        "account_id", "region", "base", "doc", "pre_status", "pre_doc", "post_status", "post_doc",
        "client_token",
    ],
    "ministack.services.iot.update_thing_shadow": ["thing_name", "shadow_name", "request"],
    "ministack.services.iot_data.error_response_json": [
        "code", "message", "status", "extra", "message_key", "content_type",
    ],
    "ministack.services.lambda_svc._emit_lambda_metrics": [
        "function_name", "duration_ms", "error", "throttle",
    ],
    "ministack.services.lambda_svc._execute_function_with_config_scope": ["func", "event"],
    "ministack.services.lambda_svc._get_func_record_for_qualifier": ["name", "qualifier"],
    "ministack.services.s3._atomic_write": ["fpath", "data", "text"],
    "ministack.services.s3._copy_object": ["bucket_name", "dest_key", "headers"],
    "ministack.services.s3._put_object": ["bucket_name", "key", "body", "headers"],
    "ministack.services.s3._verify_presigned_sigv4": ["method", "path", "headers", "query_params"],
}  # fmt: skip


def test_the_hooks_were_written_for_the_installed_ministack() -> None:
    assert importlib.metadata.version("ministack") == MINISTACK_VERSION


@pytest.mark.parametrize(
    ("module", "name"),
    [(module, name) for module, names in PRIVATE_NAMES.items() for name in names],
)
def test_ministack_has_the_private_name(module: str, name: str) -> None:
    assert hasattr(import_module(module), name)


@pytest.mark.parametrize(("path", "parameters"), SIGNATURES.items())
def test_the_private_function_takes_what_the_hooks_give(path: str, parameters: list[str]) -> None:
    module, _, name = path.rpartition(".")
    function = getattr(import_module(module), name)
    assert list(inspect.signature(function).parameters) == parameters


def test_the_broker_still_binds_every_interface_unless_it_is_patched() -> None:
    source = inspect.getsource(import_module("ministack.services.iot")._mtls_start_locked)  # noqa: SLF001 - the test checks this function
    assert 'host="0.0.0.0"' in source
