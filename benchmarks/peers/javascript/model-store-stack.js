// State: the bucket that cameras download from, its key, and the one way into it.

const { CfnOutput, Duration, RemovalPolicy, Stack } = require('aws-cdk-lib');
const iam = require('aws-cdk-lib/aws-iam');
const kms = require('aws-cdk-lib/aws-kms');
const s3 = require('aws-cdk-lib/aws-s3');
const { CustomResourceHandler } = require('./lambda');

// A failed creation leaves nothing.
const KEPT = RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE;
const HEADPOSE_PREFIXES = ['TFartifacts', 'customTFcodes', 'datasets', 'testIMs'];

class ModelStoreStack extends Stack {
  constructor(scope, id, { environment }) {
    const settings = environment.model_store;
    super(scope, id, {
      description: `DeepLens ${environment.name}: model artifacts`,
      terminationProtection: settings.termination_protection,
    });
    this.bucketName = settings.bucket_name;
    this.bucketArn = `arn:${this.partition}:s3:::${this.bucketName}`;
    this.componentsArn = `${this.bucketArn}/components/*`;

    this.key = new kms.Key(this, 'ModelsKey', {
      description: `Model artifacts in ${this.bucketName}`,
      enableKeyRotation: true,
      removalPolicy: KEPT,
    });
    const accessLogs = this.accessLogs(settings);
    this.bucket = this.modelsBucket(settings, accessLogs);
    this.publisher = this.addPublisher();
    this.writeComponentsOnce();
    for (const bucket of [accessLogs, this.bucket]) {
      bucket.policy.applyRemovalPolicy(KEPT);
    }

    const uri = `s3://${this.bucketName}`;
    new CfnOutput(this, 'BucketName', { value: this.bucketName });
    new CfnOutput(this, 'Components', { value: `${uri}/components/` });
    new CfnOutput(this, 'Datasets', { value: `${uri}/datasets/` });
    for (const name of HEADPOSE_PREFIXES) {
      new CfnOutput(this, `Headpose${name}`, { value: `${uri}/headpose/${name}/` });
    }
  }

  // Lets a role read `components/`, and nothing else.
  grantDownload(role) {
    new iam.ManagedPolicy(role, 'DownloadComponents', {
      roles: [role],
      statements: [
        new iam.PolicyStatement({
          sid: 'FindBucket',
          actions: ['s3:GetBucketLocation'],
          resources: [this.bucketArn],
        }),
        new iam.PolicyStatement({
          sid: 'DownloadComponents',
          actions: ['s3:GetObject'],
          resources: [this.componentsArn],
        }),
        this.useKey('Decrypt', ['kms:Decrypt']),
      ],
    });
  }

  accessLogs(settings) {
    return new s3.Bucket(this, 'ModelsAccessLogs', {
      blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
      objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
      encryption: s3.BucketEncryption.S3_MANAGED,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      lifecycleRules: [{ expiration: Duration.days(settings.access_log_retention_days) }],
      removalPolicy: KEPT,
    });
  }

  modelsBucket(settings, accessLogs) {
    return new s3.Bucket(this, 'ModelsBucket', {
      bucketName: this.bucketName,
      blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
      objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
      encryption: s3.BucketEncryption.KMS,
      encryptionKey: this.key,
      bucketKeyEnabled: true,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      versioned: true,
      lifecycleRules: [
        { id: 'abandoned-uploads', abortIncompleteMultipartUploadAfter: Duration.days(7) },
        ...['datasets', 'headpose'].map((prefix) => ({
          id: `replaced-${prefix}`,
          prefix: `${prefix}/`,
          noncurrentVersionExpiration: Duration.days(settings.noncurrent_version_days),
        })),
      ],
      serverAccessLogsBucket: accessLogs,
      serverAccessLogsPrefix: 'models/',
      removalPolicy: KEPT,
    });
  }

  addPublisher() {
    const assets =
      `arn:${this.partition}:s3:::cdk-${this.synthesizer.bootstrapQualifier}` +
      `-assets-${this.account}-${this.region}`;
    return new CustomResourceHandler(this, 'ModelsPublisher', {
      packageName: 'model_artifact',
      timeoutSeconds: 600,
      statements: [
        new iam.PolicyStatement({
          sid: 'ReadAsset',
          actions: ['s3:GetObject'],
          resources: [`${assets}/*.zip`],
        }),
        new iam.PolicyStatement({
          sid: 'WriteComponents',
          actions: ['s3:GetObject', 's3:PutObject'],
          resources: [this.componentsArn],
        }),
        new iam.PolicyStatement({
          sid: 'SeeAbsence',
          actions: ['s3:ListBucket'],
          resources: [this.bucketArn],
          conditions: { StringLike: { 's3:prefix': 'components/*' } },
        }),
        new iam.PolicyStatement({
          sid: 'SeeAbsenceOfAsset',
          actions: ['s3:ListBucket'],
          resources: [assets],
          conditions: { StringLike: { 's3:prefix': '*.zip' } },
        }),
        this.useKey('Encrypt', ['kms:Decrypt', 'kms:GenerateDataKey']),
      ],
    });
  }

  useKey(sid, actions) {
    return new iam.PolicyStatement({
      sid: `${sid}WithBucketKey`,
      actions,
      resources: [this.key.keyArn],
      conditions: { StringEquals: { 'kms:ViaService': `s3.${this.region}.amazonaws.com` } },
    });
  }

  writeComponentsOnce() {
    this.deny('OnlyThePublisherWritesComponents', ['s3:PutObject'], {
      ArnNotEquals: { 'aws:PrincipalArn': this.publisher.role.roleArn },
    });
    this.deny('ComponentsAreKept', [
      's3:DeleteObject',
      's3:DeleteObjectVersion',
      's3:BypassGovernanceRetention',
    ]);
  }

  deny(sid, actions, conditions) {
    this.bucket.addToResourcePolicy(
      new iam.PolicyStatement({
        sid,
        effect: iam.Effect.DENY,
        principals: [new iam.AnyPrincipal()],
        actions,
        resources: [this.componentsArn],
        conditions,
      }),
    );
  }
}

module.exports = { ModelStoreStack };
