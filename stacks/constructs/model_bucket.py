"""The deeplens-named bucket, and the one way in which an artifact gets into it."""

from dataclasses import dataclass

from aws_cdk import (
    CustomResource,
    Duration,
    FileAssetPackaging,
    RemovalPolicy,
    Stack,
    Stage,
    aws_iam,
    aws_kms,
    aws_s3,
)
from constructs import Construct

from stacks.config import ARTIFACT_NAME, ModelArtifact
from stacks.constructs.custom_resource_handler import CustomResourceHandler
from stacks.constructs.findings import accept_wildcards
from stacks.constructs.staged_file import stage_beside_templates

COMPONENTS_PREFIX = "components"

_PUBLISH_TIMEOUT_SECONDS = 600
_NAMED_BY_DIGEST = (
    "artifacts and assets are named by digests that change with each release: "
    "an open set under one fixed prefix"
)


@dataclass(frozen=True)
class PublishedArtifact:
    """Where cameras download an artifact from, and the resource that put it there."""

    uri: str
    resource: CustomResource


class ModelBucket(Construct):
    """Private, encrypted, versioned, retained; `components/` is written by the publisher alone."""

    def __init__(
        self, scope: Construct, id_: str, *, bucket_name: str, access_log_retention_days: int
    ) -> None:
        super().__init__(scope, id_)
        self._bucket_name = bucket_name
        self.key = aws_kms.Key(
            self,
            "Key",
            description=f"Model artifacts in {bucket_name}",
            enable_key_rotation=True,
            removal_policy=RemovalPolicy.RETAIN,
        )
        access_logs = aws_s3.Bucket(
            self,
            "AccessLogs",
            block_public_access=aws_s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=aws_s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            # S3 delivers access logs to buckets with SSE-S3 only.
            encryption=aws_s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            lifecycle_rules=[
                aws_s3.LifecycleRule(expiration=Duration.days(access_log_retention_days))
            ],
            removal_policy=RemovalPolicy.RETAIN,
        )
        self.bucket = aws_s3.Bucket(
            self,
            "Bucket",
            # DeepLens reads only from buckets whose names start with "deeplens-".
            bucket_name=bucket_name,
            block_public_access=aws_s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=aws_s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            encryption=aws_s3.BucketEncryption.KMS,
            encryption_key=self.key,
            bucket_key_enabled=True,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            versioned=True,
            server_access_logs_bucket=access_logs,
            server_access_logs_prefix="models/",
            removal_policy=RemovalPolicy.RETAIN,
        )
        # Plain text, so that a reviewer reads whole addresses in the templates.
        self._bucket_arn = f"arn:{Stack.of(self).partition}:s3:::{bucket_name}"
        self._components_arn = f"{self._bucket_arn}/{COMPONENTS_PREFIX}/*"
        self._publisher = self._add_publisher()
        self._deny_other_writers()

    def publish(self, scope: Construct, id_: str, artifact: ModelArtifact) -> PublishedArtifact:
        """Upload the artifact with the deploy of `scope`'s stack and copy it to its own key."""
        stack = Stack.of(scope)
        asset = stack.synthesizer.add_file_asset(
            source_hash=artifact.digest,
            file_name=stage_beside_templates(Stage.of(scope), artifact),
            packaging=FileAssetPackaging.FILE,
            display_name=f"model artifact {artifact.name} {artifact.version}",
        )
        key = f"{COMPONENTS_PREFIX}/{artifact.name}/{artifact.digest}/{ARTIFACT_NAME}"
        resource = CustomResource(
            scope,
            id_,
            resource_type="Custom::ModelArtifact",
            service_token=self._publisher.service_token,
            properties={
                "SourceBucket": asset.bucket_name,
                "SourceKey": asset.object_key,
                "Bucket": self.bucket.bucket_name,
                "Key": key,
                "Sha256": artifact.digest,
            },
        )
        return PublishedArtifact(f"s3://{self._bucket_name}/{key}", resource)

    def grant_download(self, role: aws_iam.Role) -> None:
        """Let a core device read `components/`, and nothing else, of this bucket."""
        statements = [
            aws_iam.PolicyStatement(
                sid="FindBucket",
                actions=["s3:GetBucketLocation"],
                resources=[self._bucket_arn],
            ),
            aws_iam.PolicyStatement(
                sid="DownloadComponents",
                actions=["s3:GetObject"],
                resources=[self._components_arn],
            ),
            self._use_key("Decrypt", ["kms:Decrypt"]),
        ]
        aws_iam.ManagedPolicy(role, "DownloadComponents", roles=[role], statements=statements)
        accept_wildcards(role, statements, _NAMED_BY_DIGEST)

    def _add_publisher(self) -> CustomResourceHandler:
        stack = Stack.of(self)
        assets = (
            f"arn:{stack.partition}:s3:::cdk-{stack.synthesizer.bootstrap_qualifier}"
            f"-assets-{stack.account}-{stack.region}/*.zip"
        )
        return CustomResourceHandler(
            self,
            "Publisher",
            package="model_artifact",
            timeout_seconds=_PUBLISH_TIMEOUT_SECONDS,
            wildcard_reason=_NAMED_BY_DIGEST,
            statements=[
                aws_iam.PolicyStatement(
                    sid="ReadAsset", actions=["s3:GetObject"], resources=[assets]
                ),
                aws_iam.PolicyStatement(
                    sid="WriteComponents",
                    actions=["s3:GetObject", "s3:PutObject"],
                    resources=[self._components_arn],
                ),
                # Without it S3 answers "forbidden" where the object is merely absent.
                aws_iam.PolicyStatement(
                    sid="SeeAbsence",
                    actions=["s3:ListBucket"],
                    resources=[self._bucket_arn],
                    conditions={"StringLike": {"s3:prefix": f"{COMPONENTS_PREFIX}/*"}},
                ),
                self._use_key("Encrypt", ["kms:Decrypt", "kms:GenerateDataKey"]),
            ],
        )

    def _use_key(self, sid: str, actions: list[str]) -> aws_iam.PolicyStatement:
        region = Stack.of(self).region
        return aws_iam.PolicyStatement(
            sid=f"{sid}WithBucketKey",
            actions=actions,
            resources=[self.key.key_arn],
            conditions={"StringEquals": {"kms:ViaService": f"s3.{region}.amazonaws.com"}},
        )

    def _deny_other_writers(self) -> None:
        self.bucket.add_to_resource_policy(
            aws_iam.PolicyStatement(
                sid="OnlyThePublisherWritesComponents",
                effect=aws_iam.Effect.DENY,
                principals=[aws_iam.AnyPrincipal()],
                actions=["s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion"],
                resources=[self._components_arn],
                conditions={
                    "ArnNotEquals": {"aws:PrincipalArn": self._publisher.role.role_arn},
                },
            )
        )
