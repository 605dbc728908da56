"""A queue for the events that EventBridge cannot deliver to a rule's target."""

from aws_cdk import Acknowledgment, Duration, Validations, aws_iam, aws_sqs
from constructs import Construct

from stacks.constructs.scanner_suppressions import suppress_checkov

# The maximum retention that SQS supports.
_RETENTION = Duration.days(14)


class UndeliveredEvents(Construct):
    """An encrypted dead-letter queue that accepts messages only from the rules of `accept_from`."""

    def __init__(self, scope: Construct, id_: str) -> None:
        super().__init__(scope, id_)
        self.queue = aws_sqs.Queue(
            self,
            "Queue",
            # With this encryption, EventBridge requires no statement in a key policy.
            encryption=aws_sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=_RETENTION,
        )
        Validations.of(self.queue).acknowledge(
            Acknowledgment(
                id="AwsSolutions-SQS3",
                reason="it is a dead-letter queue itself: nothing consumes its messages",
            )
        )
        suppress_checkov(
            self.queue,
            {"CKV_AWS_27": "SQS encrypts it with its own key (SqsManagedSseEnabled)"},
        )

    def accept_from(self, rule_arn: str) -> None:
        """Allow EventBridge to send the undelivered events of one rule to the queue.

        Source: EventBridge User Guide, "Using dead-letter queues to process undelivered events".
        """
        self.queue.add_to_resource_policy(
            aws_iam.PolicyStatement(
                sid="UndeliveredEventsOfOneRule",
                principals=[aws_iam.ServicePrincipal("events.amazonaws.com")],
                actions=["sqs:SendMessage"],
                resources=[self.queue.queue_arn],
                conditions={"ArnEquals": {"aws:SourceArn": rule_arn}},
            )
        )
