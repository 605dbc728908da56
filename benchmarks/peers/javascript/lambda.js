// Functions, their roles and their logs: what every stack with code needs.

const path = require('node:path');
const { Duration, RemovalPolicy, Stack } = require('aws-cdk-lib');
const iam = require('aws-cdk-lib/aws-iam');
const lambda = require('aws-cdk-lib/aws-lambda');
const logs = require('aws-cdk-lib/aws-logs');
const { Construct } = require('constructs');
const { ROOT } = require('./environments');

const NOT_SOURCE = ['**/__pycache__', '**/*.pyc'];

function sources(folder) {
  return path.join(ROOT, 'lambda_src', folder);
}

function functionLog(scope, id, retentionDays) {
  return new logs.LogGroup(scope, id, {
    retention: retentionDays,
    removalPolicy: RemovalPolicy.DESTROY,
  });
}

// Trusts a service when it acts for this account, and for `sourceArn` where that is known.
function servicePrincipal(scope, service, sourceArn) {
  const conditions = { StringEquals: { 'aws:SourceAccount': Stack.of(scope).account } };
  if (sourceArn) {
    conditions.ArnLike = { 'aws:SourceArn': sourceArn };
  }
  return new iam.ServicePrincipal(service, { conditions });
}

function lambdaRole(scope, id, { logGroup, statements = [] }) {
  const writeLog = new iam.PolicyStatement({
    sid: 'WriteOwnLog',
    actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
    resources: [logGroup.logGroupArn],
  });
  return new iam.Role(scope, id, {
    assumedBy: servicePrincipal(scope, 'lambda.amazonaws.com'),
    managedPolicies: [
      new iam.ManagedPolicy(scope, `${id}Policy`, { statements: [writeLog, ...statements] }),
    ],
  });
}

function pythonFunction(scope, id, { folder, ...props }) {
  return new lambda.Function(scope, id, {
    runtime: lambda.Runtime.PYTHON_3_12,
    architecture: lambda.Architecture.X86_64,
    code: lambda.Code.fromAsset(sources(folder), { exclude: NOT_SOURCE }),
    ...props,
  });
}

// The function behind one kind of custom resource.
class CustomResourceHandler extends Construct {
  constructor(scope, id, { packageName, timeoutSeconds, statements }) {
    super(scope, id);
    const logGroup = functionLog(this, 'Log', 90);
    this.role = lambdaRole(this, 'Role', { logGroup, statements });
    this.function = pythonFunction(this, 'Function', {
      folder: 'custom_resources',
      description: `Custom resource ${packageName}`,
      handler: `${packageName}.handler`,
      timeout: Duration.seconds(timeoutSeconds),
      memorySize: 512,
      role: this.role,
      logGroup,
    });
  }

  get serviceToken() {
    return this.function.functionArn;
  }
}

module.exports = {
  NOT_SOURCE,
  CustomResourceHandler,
  functionLog,
  lambdaRole,
  pythonFunction,
  servicePrincipal,
  sources,
};
