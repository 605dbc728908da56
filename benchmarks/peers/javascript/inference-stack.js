// The release and the project: function, published version, components, deployment.

const crypto = require('node:crypto');
const path = require('node:path');
const {
  CfnOutput,
  CustomResource,
  Duration,
  FileSystem,
  Fn,
  IgnoreMode,
  RemovalPolicy,
  Stack,
} = require('aws-cdk-lib');
const iam = require('aws-cdk-lib/aws-iam');
const { Asset } = require('aws-cdk-lib/aws-s3-assets');
const lambda = require('./lambda');
const {
  accessControl,
  componentNumbers,
  coreComponents,
  functionSettings,
  modelRecipe,
} = require('./greengrass');

const DEPLOYMENT_POLICIES = {
  failureHandlingPolicy: 'ROLLBACK',
  componentUpdatePolicy: { timeoutInSeconds: 60, action: 'NOTIFY_COMPONENTS' },
  configurationValidationPolicy: { timeoutInSeconds: 30 },
};

class InferenceStack extends Stack {
  constructor(scope, id, { environment, artifact, store }) {
    super(scope, id, { description: `DeepLens ${environment.name}: the release on the cameras` });
    this.environmentName = environment.name;
    this.fn = this.addFunction(environment);
    this.handler = this.addComponentHandler();
    store.grantDownload(this.handler.role);
    const model = this.addModel(artifact, store);
    const inference = this.addInference(model, environment.inference);
    const project = this.addProject(environment, model, inference);

    new CfnOutput(this, 'FunctionVersion', { value: this.fn.currentVersion.functionArn });
    new CfnOutput(this, 'ModelDigest', { value: artifact.digest });
    new CfnOutput(this, 'ProjectStatus', { value: project.getAttString('Status') });
    new CfnOutput(this, 'Topic', { value: environment.inference.topic });
  }

  addFunction(environment) {
    const retentionDays = environment.inference.log_retention_days;
    const logGroup = lambda.functionLog(this, 'FunctionLog', retentionDays);
    return lambda.pythonFunction(this, 'Function', {
      folder: 'inference',
      functionName: `deeplens-${environment.name}-inference`,
      description: 'Frame → inference → message, on a camera',
      handler: 'handler.lambda_handler',
      timeout: Duration.seconds(60),
      role: lambda.lambdaRole(this, 'FunctionRole', { logGroup }),
      logGroup,
      currentVersionOptions: { removalPolicy: RemovalPolicy.RETAIN },
    });
  }

  addComponentHandler() {
    return new lambda.CustomResourceHandler(this, 'ComponentsHandler', {
      packageName: 'greengrass_component',
      timeoutSeconds: 420,
      statements: [
        new iam.PolicyStatement({
          sid: 'ProvideOwnComponents',
          actions: [
            'greengrass:CreateComponentVersion',
            'greengrass:DescribeComponent',
            'greengrass:GetComponent',
            'greengrass:TagResource',
          ],
          resources: [this.arn('greengrass', `components:deeplens.${this.environmentName}.*`)],
        }),
        new iam.PolicyStatement({
          sid: 'ReadPublishedVersions',
          actions: ['lambda:GetFunction'],
          resources: ['', ':*'].map((qualifier) =>
            this.arn('lambda', `function:deeplens-${this.environmentName}-inference${qualifier}`),
          ),
        }),
      ],
    });
  }

  publish(id, { name, digest, file }, store) {
    const asset = new Asset(this, `${id}Asset`, { path: file });
    const key = `components/${name}/${digest}/${path.basename(file)}`;
    const resource = new CustomResource(this, id, {
      resourceType: 'Custom::ModelArtifact',
      serviceToken: store.publisher.serviceToken,
      properties: {
        SourceBucket: asset.s3BucketName,
        SourceKey: asset.s3ObjectKey,
        Bucket: store.bucket.bucketName,
        Key: key,
        Sha256: digest,
      },
    });
    return { resource, uri: `s3://${store.bucketName}/${key}` };
  }

  addModel(artifact, store) {
    const { resource: published, uri } = this.publish('Artifact', artifact, store);
    for (const document of artifact.documents) {
      this.publish(`Artifact${document.title}`, document, store);
    }
    const name = `deeplens.${this.environmentName}.model.${artifact.name}`;
    const recipe = modelRecipe({ name, artifact, uri });
    const content = sha256(recipe);
    const version = `${artifact.version.split('.')[0]}.${componentNumbers(content)}`;
    const resource = this.provide('ComponentsModel', name, version, {
      Recipe: JSON.stringify({ ...recipe, ComponentVersion: version }),
      ContentSha256: content,
      ArtifactSha256: { [uri]: artifact.digest },
    });
    resource.node.addDependency(published);
    return { name, version, resource, digest: artifact.digest };
  }

  addInference(model, settings) {
    const name = `deeplens.${this.environmentName}.inference`;
    const published = this.fn.currentVersion;
    const parameters = {
      componentName: name,
      componentDependencies: {
        [model.name]: { versionRequirement: `=${model.version}`, dependencyType: 'HARD' },
      },
      componentLambdaParameters: {
        pinned: true,
        timeoutInSeconds: 60,
        statusTimeoutInSeconds: 120,
        inputPayloadEncodingType: 'json',
        environmentVariables: functionSettings(settings, model),
        linuxProcessParams: { isolationMode: settings.isolation_mode },
      },
    };
    const source = FileSystem.fingerprint(lambda.sources('inference'), {
      exclude: lambda.NOT_SOURCE,
      ignoreMode: IgnoreMode.GLOB,
    });
    const content = sha256({ ...parameters, source });
    const version = Fn.join('', [published.version, `.${componentNumbers(content)}`]);
    const resource = this.provide('ComponentsInference', name, version, {
      LambdaFunction: this.toJsonString({
        lambdaArn: published.functionArn,
        componentVersion: version,
        ...parameters,
      }),
      ContentSha256: content,
    });
    resource.node.addDependency(model.resource);
    return { name, version, resource };
  }

  addProject({ name, fleet, inference: { topic }, rollout }, model, inference) {
    const handler = this.addProjectHandler(fleet.thing_group);
    const components = {
      ...coreComponents(),
      [model.name]: { componentVersion: model.version, configurationUpdate: { reset: [''] } },
      [inference.name]: {
        componentVersion: inference.version,
        configurationUpdate: {
          reset: [''],
          merge: JSON.stringify(accessControl(inference.name, topic)),
        },
      },
    };
    const { wait_seconds, bake_seconds, on_delete, ...rule } = rollout;
    const project = new CustomResource(this, 'Project', {
      resourceType: 'Custom::DeepLensProject',
      serviceToken: handler.serviceToken,
      properties: {
        ProjectName: name,
        TargetArn: this.arn('iot', `thinggroup/${fleet.thing_group}`),
        ThingGroupName: fleet.thing_group,
        DeploymentName: `deeplens-${name}`,
        Components: this.toJsonString(components),
        DeploymentPolicies: JSON.stringify(DEPLOYMENT_POLICIES),
        ModelDigest: model.digest,
        FunctionArn: this.fn.currentVersion.functionArn,
        IotJobConfiguration: JSON.stringify({}),
        Rollout: JSON.stringify({ rule, waves: [], wait_seconds, bake_seconds }),
        OnDelete: on_delete,
      },
    });
    project.node.addDependency(model.resource, inference.resource);
    return project;
  }

  addProjectHandler(thingGroup) {
    const iot = (resource) => this.arn('iot', resource);
    const waves = iot(`thinggroup/deeplens-${this.environmentName}-wave-*`);
    const targets = [iot(`thinggroup/${thingGroup}`), waves];
    const stack = this.arn('cloudformation', `stack/${this.stackName}/*`);
    const allow = (sid, actions, resources, conditions) =>
      new iam.PolicyStatement({ sid, actions, resources, conditions });
    return new lambda.CustomResourceHandler(this, 'ProjectHandler', {
      packageName: 'deeplens_project',
      timeoutSeconds: 900,
      statements: [
        allow('CreateDeployments', ['greengrass:CreateDeployment'], ['*'], {
          StringLike: { 'aws:RequestTag/deeplens:owner': stack },
          'ForAllValues:StringLike': { 'aws:TagKeys': 'deeplens:*' },
          Null: { 'aws:TagKeys': 'false' },
        }),
        allow(
          'ManageDeployments',
          [
            'greengrass:CancelDeployment',
            'greengrass:DeleteDeployment',
            'greengrass:GetDeployment',
            'greengrass:TagResource',
          ],
          [this.arn('greengrass', 'deployments:*')],
        ),
        allow(
          'ListDeploymentsAndCoreDevices',
          ['greengrass:ListCoreDevices', 'greengrass:ListDeployments'],
          ['*'],
        ),
        allow(
          'QueryCoreDevices',
          ['greengrass:ListEffectiveDeployments', 'greengrass:ListInstalledComponents'],
          [this.arn('greengrass', 'coreDevices:*')],
        ),
        allow('RunJobsOnFleet', ['iot:CreateJob'], [iot('job/*'), ...targets]),
        allow(
          'ManageJobs',
          ['iot:CancelJob', 'iot:DeleteJob', 'iot:DescribeJob', 'iot:UpdateJob'],
          [iot('job/*')],
        ),
        allow(
          'DescribeJobExecutions',
          ['iot:DescribeJobExecution'],
          [iot('job/*'), iot('thing/*')],
        ),
        allow(
          'DescribeThingsAndGroups',
          ['iot:DescribeThing', 'iot:DescribeThingGroup'],
          [iot('thing/*'), iot('thinggroup/*')],
        ),
        allow('ReadJobs', ['iot:ListJobExecutionsForJob'], [iot('job/*')]),
        allow('ReadFleet', ['iot:ListThingsInThingGroup'], targets),
        allow(
          'PutShareIntoWave',
          [
            'iot:AddThingToThingGroup',
            'iot:CreateThingGroup',
            'iot:DeleteThingGroup',
            'iot:RemoveThingFromThingGroup',
          ],
          [iot('thing/*'), waves],
        ),
        allow('SeeWhetherTheStackRollsBack', ['cloudformation:DescribeStacks'], [stack]),
        allow('ReadHeartbeats', ['iot:GetThingShadow'], [iot('thing/*')]),
      ],
    });
  }

  provide(id, name, version, content) {
    const resource = new CustomResource(this, id, {
      resourceType: 'Custom::GreengrassComponent',
      serviceToken: this.handler.serviceToken,
      properties: {
        Arn: this.arn('greengrass', `components:${name}:versions:${version}`),
        ...content,
      },
    });
    resource.node.addDependency(this.handler);
    return resource;
  }

  arn(service, resource) {
    return this.formatArn({ service, resource });
  }
}

function sha256(content) {
  return crypto.createHash('sha256').update(JSON.stringify(content)).digest('hex');
}

module.exports = { InferenceStack };
