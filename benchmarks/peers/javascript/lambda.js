// A function, its role and its log group.

const path = require('node:path');
const { RemovalPolicy, Stack } = require('aws-cdk-lib');
const iam = require('aws-cdk-lib/aws-iam');
const lambda = require('aws-cdk-lib/aws-lambda');
const logs = require('aws-cdk-lib/aws-logs');
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

// Trust a service that acts for this account and, if it is given, for `sourceArn`.
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

module.exports = { functionLog, lambdaRole, pythonFunction, servicePrincipal };
