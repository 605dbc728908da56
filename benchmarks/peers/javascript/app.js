// Every environment, one Stage each: the same application as the project's, as a team would write
// it in JavaScript. `cdk synth -c environments=FOLDER`, or ENVIRONMENTS=FOLDER without the CLI,
// takes the files of another folder.

const path = require('node:path');
const { App, PermissionsBoundary, Stage, Tags } = require('aws-cdk-lib');
const { loadArtifact } = require('./artifact');
const { ROOT, ConfigError, loadEnvironments } = require('./environments');
const { DevicesStack } = require('./devices-stack');
const { InferenceStack } = require('./inference-stack');
const { ModelStoreStack } = require('./model-store-stack');
const { MonitoringStack } = require('./monitoring-stack');

class DeepLensApplication extends Stage {
  constructor(scope, environment) {
    const { name, account, region } = environment;
    const boundary = environment.permissions_boundary;
    super(scope, name, {
      env: { account, region },
      permissionsBoundary: boundary && PermissionsBoundary.fromName(boundary),
    });
    const artifact = loadArtifact(environment.model);

    const store = new ModelStoreStack(this, 'ModelStore', { environment });
    const devices = new DevicesStack(this, 'Devices', { environment });
    const inference = new InferenceStack(this, 'Inference', { environment, artifact, store });
    inference.addStackDependency(devices);
    store.grantDownload(devices.tokenExchangeRole);
    new MonitoringStack(this, 'Monitoring', { environment });

    for (const [key, value] of Object.entries(environment.tags)) {
      Tags.of(this).add(key, value);
    }
    Tags.of(this).add('deeplens:environment', name);
  }
}

// As in app.py: traces would name the machine's folders in the assembly.
const app = new App({ context: { 'aws:cdk:disable-stack-trace': true } });
const folder =
  app.node.tryGetContext('environments') ??
  process.env.ENVIRONMENTS ??
  path.join(ROOT, 'environments');
try {
  for (const environment of loadEnvironments(folder)) {
    new DeepLensApplication(app, environment);
  }
  app.synth();
} catch (error) {
  if (!(error instanceof ConfigError)) {
    throw error;
  }
  console.error(error.message);
  process.exitCode = 1;
}
