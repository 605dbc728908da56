"""The model bucket, and the custom resource that copies artifacts to the bucket."""

from dataclasses import dataclass, replace

from aws_cdk import (
    CustomResource,
    Duration,
    Stack,
    aws_iam,
    aws_kms,
    aws_s3,
)
from constructs import Construct

from deeplens.config import ARTIFACT_NAME, EnvironmentConfig, ModelArtifact
from stacks.constructs.custom_resource_handler import CustomResourceHandler
from stacks.constructs.file_assets import StackFiles, StagedFile
from stacks.constructs.iam import Statement, managed_policy
from stacks.constructs.release_stack import describe_own_stack
from stacks.constructs.retained_buckets import RETAINED, access_log_bucket, retain_policy_of
from stacks.constructs.scanner_suppressions import suppress_wildcard_findings
from stacks.constructs.signature_verification import (
    PublishedStatement,
    VerificationLayer,
    statement_key,
    verification_properties,
)

COMPONENTS_PREFIX = "components"
# Prefixes of objects with training data and model sources; noncurrent object versions expire.
WORK_PREFIXES = ("datasets", "headpose")
# The four folders below `headpose/`, as in the guide of the head-pose project.
HEADPOSE_PREFIXES = ("TFartifacts", "customTFcodes", "datasets", "testIMs")

_PUBLISH_TIMEOUT = Duration.minutes(10)
_ABANDONED_UPLOAD = Duration.days(7)
_ANYBODY = aws_iam.AnyPrincipal()
_NOT_PUBLIC = aws_s3.BlockPublicAccess.BLOCK_ALL
_ABSENCE = "Amazon S3 evaluates it for GetObject of an object that is absent: 404 or 403"
_BY_S3 = "Amazon S3 uses the key for reads and writes, with the rights of the caller"
_BY_SAGEMAKER = "jobs, notebooks and endpoints of Amazon SageMaker use it; the emulator does not"
_NAMED_BY_DIGEST = (
    "artifacts and assets are named by digests that change with each release: "
    "an open set under one fixed prefix"
)


@dataclass(frozen=True)
class PublishedArtifact:
    """The URI of an artifact for cameras, its SHA-256, and its custom resource."""

    uri: str
    digest: str
    resource: CustomResource
    # The signed statement; None if the environment trusts no keys, or if the artifact is not
    # signed.
    statement: PublishedStatement | None = None


class ModelBucket(Construct):
    """A private, encrypted, retained bucket; only the publisher can write to `components/`."""

    def __init__(self, scope: Construct, id_: str, *, environment: EnvironmentConfig) -> None:
        super().__init__(scope, id_)
        settings = environment.model_store
        self.bucket_name = settings.bucket_name
        self._signing = environment.signing
        self._aws_environment = environment.aws_environment
        self.key = aws_kms.Key(
            self,
            "Key",
            description=f"Model artifacts in {settings.bucket_name}",
            enable_key_rotation=True,
            removal_policy=RETAINED,
        )
        self.key_arn = self.key.key_arn
        self.bucket = aws_s3.Bucket(
            self,
            "Bucket",
            # DeepLens reads only from buckets whose names start with "deeplens-".
            bucket_name=settings.bucket_name,
            block_public_access=_NOT_PUBLIC,
            object_ownership=aws_s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            encryption=aws_s3.BucketEncryption.KMS,
            encryption_key=self.key,
            bucket_key_enabled=True,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            versioned=True,
            object_lock_default_retention=(
                aws_s3.ObjectLockRetention.governance(Duration.days(settings.object_lock_days))
                if settings.object_lock_days
                else None
            ),
            lifecycle_rules=_lifecycle_rules(settings.noncurrent_version_days),
            server_access_logs_bucket=access_log_bucket(
                self, retention_days=settings.access_log_retention_days
            ),
            server_access_logs_prefix="models/",
            removal_policy=RETAINED,
        )
        # ARNs contain the bucket's name as a literal, so that reviewers see complete ARNs in
        # templates.
        self.bucket_arn = self._aws_environment.s3_arn(self.bucket_name)
        self._components_arn = self._aws_environment.s3_arn(
            self.bucket_name, f"{COMPONENTS_PREFIX}/*"
        )
        # Published artifacts contain the bucket's name as a reference, so that they depend on the
        # bucket.
        self._bucket_reference = self.bucket.bucket_name
        self._publisher = self._add_publisher()
        self._write_components_once()
        retain_policy_of(self.bucket)

    def publish(self, files: StackFiles, id_: str, artifact: ModelArtifact) -> PublishedArtifact:
        """Publish the artifact and its documents when the stack of `files` is deployed."""
        expected = verification_properties(artifact, self._signing)
        statement = None
        if placed := statement_key(artifact):
            key, digest = placed
            expected["StatementKey"] = f"{COMPONENTS_PREFIX}/{key}"
            statement = PublishedStatement(
                f"s3://{self.bucket_name}/{COMPONENTS_PREFIX}/{key}", digest
            )
        published = self.publish_file(
            files,
            id_,
            StagedFile(artifact.path, artifact.digest),
            key=f"{artifact.name}/{artifact.digest}/{ARTIFACT_NAME}",
            description=f"model artifact {artifact.name} {artifact.version}",
            expected=expected,
        )
        for file, digest in artifact.documents:
            self.publish_file(
                files,
                f"{id_}{file.name.partition('.')[0].title()}",
                StagedFile(file, digest),
                key=f"{artifact.name}/{digest}/{file.name}",
                description=f"{file.name} of {artifact.name} {artifact.version}",
            )
        return replace(published, statement=statement)

    def publish_file(
        self,
        files: StackFiles,
        id_: str,
        file: StagedFile,
        *,
        key: str,
        description: str,
        expected: dict[str, str] | None = None,
    ) -> PublishedArtifact:
        """Publish a file when the stack of `files` is deployed; `key` is relative to `components/`.

        If `expected` contains verification properties, the publisher verifies the signature before
        it copies the file.
        """
        asset = files.add(file, description)
        key = f"{COMPONENTS_PREFIX}/{key}"
        resource = CustomResource(
            files.stack,
            id_,
            resource_type="Custom::ModelArtifact",
            service_token=self._publisher.service_token,
            properties={
                "SourceBucket": asset.bucket,
                "SourceKey": asset.key,
                "Bucket": self._bucket_reference,
                "Key": key,
                "Sha256": file.digest,
                **(expected or {}),
            },
        )
        return PublishedArtifact(f"s3://{self.bucket_name}/{key}", file.digest, resource)

    def grant_download(self, role: aws_iam.Role, *, without_call: str = "") -> None:
        """Grant a role read access to `components/` of this bucket only.

        If the project's own code never reads with this role, `without_call` contains the reason for
        the grant.
        """
        statements = [
            Statement(
                sid="FindBucket",
                actions=["s3:GetBucketLocation"],
                resources=[self.bucket_arn],
                without_call=without_call or "the core software finds the bucket's Region with it",
            ),
            Statement(
                sid="DownloadComponents",
                actions=["s3:GetObject"],
                resources=[self._components_arn],
                without_call=without_call,
            ),
            replace(self._use_key("Decrypt", ["kms:Decrypt"]), without_call=without_call or _BY_S3),
        ]
        managed_policy(role, "DownloadComponents", statements, roles=[role])
        suppress_wildcard_findings(role, statements, _NAMED_BY_DIGEST)

    def grant_work(self, role: aws_iam.Role) -> None:
        """Grant a role read and write access to `datasets/` and `headpose/` only."""
        statements = [
            Statement(
                sid="ReadAndWriteWork",
                actions=["s3:GetObject", "s3:PutObject"],
                resources=[f"{self.bucket_arn}/{prefix}/*" for prefix in WORK_PREFIXES],
                without_call=_BY_SAGEMAKER,
            ),
            Statement(
                sid="ListWork",
                actions=["s3:ListBucket"],
                resources=[self.bucket_arn],
                conditions={
                    "StringLike": {"s3:prefix": [f"{prefix}/*" for prefix in WORK_PREFIXES]}
                },
                without_call=_BY_SAGEMAKER,
            ),
            self._use_key("Work", ["kms:Decrypt", "kms:GenerateDataKey"]),
        ]
        managed_policy(role, "Work", statements, roles=[role])
        suppress_wildcard_findings(
            role, statements, "data sets and their files are an open set by prefix"
        )

    def grant_capture(self, role: aws_iam.Role, prefix: str) -> None:
        """Grant a role write access to the objects below `prefix`, without read access."""
        statements = [
            Statement(
                sid="WriteCaptured",
                actions=["s3:PutObject"],
                resources=[f"{self.bucket_arn}/{prefix}/*"],
                without_call=_BY_SAGEMAKER,
            ),
            self._use_key("Capture", ["kms:GenerateDataKey"]),
        ]
        managed_policy(role, "Capture", statements, roles=[role])
        suppress_wildcard_findings(
            role, statements, "captured requests are an open set under one prefix"
        )

    def _add_publisher(self) -> CustomResourceHandler:
        aws_environment, qualifier = (
            self._aws_environment,
            Stack.of(self).synthesizer.bootstrap_qualifier,
        )
        assets = f"cdk-{qualifier}-assets-{aws_environment.account}-{aws_environment.region}"
        return CustomResourceHandler(
            self,
            "Publisher",
            package="model_artifact",
            account=aws_environment.account,
            timeout=_PUBLISH_TIMEOUT,
            wildcard_reason=_NAMED_BY_DIGEST,
            layers=[VerificationLayer(self, "Verification").version] if self._signing.is_on else (),
            statements=[
                *([describe_own_stack(self, aws_environment)] if self._signing.is_on else []),
                Statement(
                    sid="ReadAsset",
                    actions=["s3:GetObject"],
                    resources=[aws_environment.s3_arn(assets, "*.zip")],
                ),
                Statement(
                    sid="WriteComponents",
                    actions=["s3:GetObject", "s3:PutObject"],
                    resources=[self._components_arn],
                ),
                # Without these two permissions, S3 responds with status 403 instead of 404 for an
                # absent object.
                Statement(
                    sid="SeeAbsence",
                    actions=["s3:ListBucket"],
                    resources=[self.bucket_arn],
                    conditions={"StringLike": {"s3:prefix": f"{COMPONENTS_PREFIX}/*"}},
                    without_call=_ABSENCE,
                ),
                Statement(
                    sid="SeeAbsenceOfAsset",
                    actions=["s3:ListBucket"],
                    resources=[aws_environment.s3_arn(assets)],
                    conditions={"StringLike": {"s3:prefix": "*.zip"}},
                    without_call=_ABSENCE,
                ),
                self._use_key("Encrypt", ["kms:Decrypt", "kms:GenerateDataKey"]),
            ],
        )

    def _use_key(self, sid: str, actions: list[str]) -> Statement:
        return Statement(
            sid=f"{sid}WithBucketKey",
            actions=actions,
            resources=[self.key_arn],
            without_call=_BY_S3,
            conditions={
                "StringEquals": {
                    "kms:ViaService": f"s3.{self._aws_environment.region}.amazonaws.com"
                }
            },
        )

    def _write_components_once(self) -> None:
        """Deny all deletions in `components/`, and deny writes there except by the publisher."""
        self._deny(
            "OnlyThePublisherWritesComponents",
            ["s3:PutObject"],
            {"ArnNotEquals": {"aws:PrincipalArn": self._publisher.role.role_arn}},
        )
        self._deny(
            "ComponentsAreKept",
            [
                "s3:DeleteObject",
                "s3:DeleteObjectVersion",
                # This denial prevents a bypass of Object Lock in governance mode.
                "s3:BypassGovernanceRetention",
            ],
        )

    def _deny(
        self, sid: str, actions: list[str], conditions: dict[str, dict[str, str]] | None = None
    ) -> None:
        self.bucket.add_to_resource_policy(
            aws_iam.PolicyStatement(
                sid=sid,
                effect=aws_iam.Effect.DENY,
                principals=[_ANYBODY],
                actions=actions,
                resources=[self._components_arn],
                conditions=conditions,
            )
        )


def _lifecycle_rules(noncurrent_version_days: int) -> list[aws_s3.LifecycleRule]:
    """Return lifecycle rules that expire nothing below `components/` except incomplete uploads."""
    noncurrent_version_expiration = Duration.days(noncurrent_version_days)
    return [
        aws_s3.LifecycleRule(
            id="abandoned-uploads",
            abort_incomplete_multipart_upload_after=_ABANDONED_UPLOAD,
        ),
        *(
            aws_s3.LifecycleRule(
                id=f"replaced-{prefix}",
                prefix=f"{prefix}/",
                noncurrent_version_expiration=noncurrent_version_expiration,
            )
            for prefix in WORK_PREFIXES
        ),
    ]
