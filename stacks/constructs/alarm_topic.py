"""Where alarms go: an encrypted topic, and the people who asked to be told."""

from collections.abc import Sequence

from aws_cdk import Duration, RemovalPolicy, aws_iam, aws_kms, aws_sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from deeplens.config import Place

_CLOUDWATCH = aws_iam.ServicePrincipal("cloudwatch.amazonaws.com")
_KEY_PENDING_WINDOW = Duration.days(7)


class AlarmTopic(Construct):
    """CloudWatch of this account publishes to it, over TLS; nothing else does."""

    def __init__(self, scope: Construct, id_: str, *, place: Place, notify: Sequence[str]) -> None:
        super().__init__(scope, id_)
        from_alarms = {
            "StringEquals": {"aws:SourceAccount": place.account},
            "ArnLike": {"aws:SourceArn": place.arn("cloudwatch", "alarm:*")},
        }
        key = aws_kms.Key(
            self,
            "Key",
            description="Notifications of alarms",
            enable_key_rotation=True,
            # It encrypts messages under way, nothing that is kept.
            removal_policy=RemovalPolicy.DESTROY,
            pending_window=_KEY_PENDING_WINDOW,
        )
        # SNS' own key cannot be used by CloudWatch. Whose alarms may publish is said by the topic:
        # AWS documents no condition on the source here, and a wrong one loses alarms silently.
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
