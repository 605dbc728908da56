"""An encrypted topic for alarms, with e-mail subscriptions."""

from collections.abc import Sequence

from aws_cdk import Duration, RemovalPolicy, aws_iam, aws_kms, aws_sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from deeplens.config import AwsEnvironment

_CLOUDWATCH = aws_iam.ServicePrincipal("cloudwatch.amazonaws.com")
_KEY_PENDING_WINDOW = Duration.days(7)


class AlarmTopic(Construct):
    """A topic to which only CloudWatch alarms of this account can publish, over TLS."""

    def __init__(
        self, scope: Construct, id_: str, *, aws_environment: AwsEnvironment, notify: Sequence[str]
    ) -> None:
        super().__init__(scope, id_)
        from_alarms = {
            "StringEquals": {"aws:SourceAccount": aws_environment.account},
            "ArnLike": {"aws:SourceArn": aws_environment.arn("cloudwatch", "alarm:*")},
        }
        key = aws_kms.Key(
            self,
            "Key",
            description="Notifications of alarms",
            enable_key_rotation=True,
            # The key encrypts only messages in transit through SNS, so no data depends on it.
            removal_policy=RemovalPolicy.DESTROY,
            pending_window=_KEY_PENDING_WINDOW,
        )
        # CloudWatch cannot use SNS' AWS managed key. AWS documents no source condition for the key,
        # and with a wrong condition, alarms are lost without an error. The topic's policy restricts
        # the alarms instead.
        key.add_to_resource_policy(
            aws_iam.PolicyStatement(
                sid="AlarmsUseKey",
                principals=[_CLOUDWATCH],
                actions=["kms:Decrypt", "kms:GenerateDataKey"],
                resources=["*"],
            )
        )
        self.topic = aws_sns.Topic(self, "Topic", master_key=key, enforce_ssl=True)
        self.topic.add_to_resource_policy(
            aws_iam.PolicyStatement(
                sid="AlarmsPublish",
                principals=[_CLOUDWATCH],
                actions=["sns:Publish"],
                resources=[self.topic.topic_arn],
                conditions=from_alarms,
            )
        )
        for address in notify:
            self.topic.add_subscription(subscriptions.EmailSubscription(address))
