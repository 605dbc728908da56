// The fleet's identity: things and their group, certificate policy, token exchange role, alias.

const { CfnOutput, Stack } = require('aws-cdk-lib');
const iam = require('aws-cdk-lib/aws-iam');
const iot = require('aws-cdk-lib/aws-iot');
const { servicePrincipal } = require('./lambda');
const { RELEASES } = require('./greengrass');

const THING = '${iot:Connection.Thing.ThingName}';

class DevicesStack extends Stack {
  constructor(scope, id, { environment }) {
    super(scope, id, { description: `DeepLens ${environment.name}: identity of the cameras` });
    new iot.CfnThingGroup(this, 'Fleet', { thingGroupName: environment.fleet.thing_group });
    for (const thing of environment.fleet.things) {
      new iot.CfnThing(this, `Thing-${thing}`, { thingName: thing });
    }
    const aliasName = `deeplens-${environment.name}-token-exchange`;
    const aliasArn = this.formatArn({
      service: 'iot',
      resource: 'rolealias',
      resourceName: aliasName,
    });
    this.tokenExchangeRole = this.addTokenExchange(aliasName, aliasArn);
    const policy = new iot.CfnPolicy(this, 'CoreDevicePolicy', {
      policyDocument: this.coreDeviceDocument(aliasArn, environment.inference.topic),
    });

    new CfnOutput(this, 'ThingGroupName', { value: environment.fleet.thing_group });
    new CfnOutput(this, 'CoreDevicePolicyName', { value: policy.ref });
    new CfnOutput(this, 'RoleAliasName', { value: aliasName });
    new CfnOutput(this, 'NucleusVersion', { value: RELEASES['aws.greengrass.Nucleus'] });
  }

  addTokenExchange(aliasName, aliasArn) {
    const role = new iam.Role(this, 'TokenExchangeRole', {
      description: 'What a core device may do in AWS, by its certificate',
      assumedBy: servicePrincipal(this, 'credentials.iot.amazonaws.com', aliasArn),
    });
    new iot.CfnRoleAlias(this, 'TokenExchangeAlias', {
      roleAlias: aliasName,
      roleArn: role.roleArn,
      credentialDurationSeconds: 3600,
    });
    return role;
  }

  coreDeviceDocument(aliasArn, topic) {
    const arn = (resource, resourceName) =>
      this.formatArn({ service: 'iot', resource, resourceName });
    const allow = (actions, resources) => ({
      Effect: 'Allow',
      Action: actions,
      Resource: resources,
    });
    const own = `$aws/things/${THING}`;
    const reserved = ['greengrass/health/json', 'greengrassv2/health/json', 'jobs/*', 'shadow/*'];
    return {
      Version: '2012-10-17',
      Statement: [
        allow('iot:Connect', [arn('client', THING), arn('client', `${THING}#*`)]),
        allow(
          ['iot:Publish', 'iot:Receive'],
          reserved.map((name) => arn('topic', `${own}/${name}`)),
        ),
        allow('iot:Subscribe', [
          arn('topicfilter', `${own}/jobs/*`),
          arn('topicfilter', `${own}/shadow/*`),
        ]),
        allow('iot:Publish', [arn('topic', topic.replaceAll('{thing}', THING))]),
        allow('iot:AssumeRoleWithCertificate', [aliasArn]),
        allow(
          [
            'greengrass:GetComponentVersionArtifact',
            'greengrass:GetDeploymentConfiguration',
            'greengrass:ListThingGroupsForCoreDevice',
            'greengrass:ResolveComponentCandidates',
          ],
          ['*'],
        ),
      ],
    };
  }
}

module.exports = { DevicesStack };
