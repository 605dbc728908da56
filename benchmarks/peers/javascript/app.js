// The Monitoring stack of each environment, written as a team would write it in JavaScript.
// `cdk synth -c environments=FOLDER`, or ENVIRONMENTS=FOLDER without the command line, reads the
// files of another folder.

const path = require('node:path');
const { App, PermissionsBoundary, Stage, Tags } = require('aws-cdk-lib');
const { ROOT, ConfigError, loadEnvironments } = require('./environments');
const { MonitoringStack } = require('./monitoring-stack');

class EnvironmentStage extends Stage {
  constructor(scope, environment) {
    const { name, account, region } = environment;
    const boundary = environment.permissions_boundary;
    super(scope, name, {
      env: { account, region },
      permissionsBoundary: boundary && PermissionsBoundary.fromName(boundary),
    });
    new MonitoringStack(this, 'Monitoring', { environment });
    for (const [key, value] of Object.entries(environment.tags)) {
      Tags.of(this).add(key, value);
    }
    Tags.of(this).add('deeplens:environment', name);
  }
}

// As in stacks/synthesis.py: stack traces contain folders of this machine.
const app = new App({ context: { 'aws:cdk:disable-stack-trace': true } });
const folder =
  app.node.tryGetContext('environments') ??
  process.env.ENVIRONMENTS ??
  path.join(ROOT, 'environments');
try {
  for (const environment of loadEnvironments(folder)) {
    new EnvironmentStage(app, environment);
  }
  app.synth();
} catch (error) {
  if (!(error instanceof ConfigError)) {
    throw error;
  }
  console.error(error.message);
  process.exitCode = 1;
}
