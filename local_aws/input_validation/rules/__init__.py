"""Input validation rules of AWS that botocore's service models do not contain.

Each rule is a function that takes an account and an operation's input, and raises a
``ServiceError`` if the input is not valid. Rules apply to API calls and to the resources of
templates.
"""

from collections.abc import Callable
from typing import Any

from local_aws.input_validation.rules import alarms, functions, iam, iot
from local_aws.input_validation.rules.account import Account

Rule = Callable[[Account, dict[str, Any]], None]

# Maps botocore's service name and the operation to the rule.
RULES: dict[tuple[str, str], Rule] = {
    ("cloudwatch", "PutMetricAlarm"): alarms.check_evaluation_time,
    ("iam", "AttachRolePolicy"): iam.check_attachment,
    ("iam", "CreatePolicy"): iam.check_managed_policy,
    ("iam", "CreatePolicyVersion"): iam.check_managed_policy,
    ("iam", "CreateRole"): iam.check_trust_policy,
    ("iam", "PutGroupPolicy"): iam.check_group_policy,
    ("iam", "PutRolePolicy"): iam.check_role_policy,
    ("iam", "PutUserPolicy"): iam.check_user_policy,
    ("iam", "UpdateAssumeRolePolicy"): iam.check_trust_policy,
    ("iot", "AddThingToThingGroup"): iot.check_membership,
    ("iot", "CreateJob"): iot.check_job,
    ("iot", "CreatePolicy"): iot.check_policy,
    ("iot", "CreatePolicyVersion"): iot.check_policy,
    ("iot", "CreateTopicRule"): iot.check_topic_rule,
    ("iot", "ReplaceTopicRule"): iot.check_topic_rule,
    ("lambda", "CreateFunction"): functions.check_function,
    ("lambda", "UpdateFunctionConfiguration"): functions.check_function,
}
