// What Greengrass is told: recipes, settings of the camera's loop, access control, pinned releases.

// A deployment that leaves these out gets the newest patch of each.
const RELEASES = {
  'aws.greengrass.LambdaLauncher': '2.0.13',
  'aws.greengrass.LambdaManager': '2.3.7',
  'aws.greengrass.LambdaRuntimes': '2.0.9',
  'aws.greengrass.Nucleus': '2.16.1',
  'aws.greengrass.TokenExchangeService': '2.0.3',
};

function coreComponents() {
  const components = {};
  for (const [name, componentVersion] of Object.entries(RELEASES)) {
    components[name] = { componentVersion };
  }
  components['aws.greengrass.Nucleus'].configurationUpdate = {
    merge: JSON.stringify({ interpolateComponentConfiguration: true }),
  };
  return components;
}

// A version of three numbers; the last two come from the content.
function componentNumbers(contentSha256) {
  const numbers = BigInt(`0x${contentSha256}`) % 10n ** 12n;
  return `${numbers / 10n ** 6n}.${numbers % 10n ** 6n}`;
}

function modelRecipe({ name, artifact, uri }) {
  return {
    RecipeFormatVersion: '2020-01-25',
    ComponentName: name,
    ComponentType: 'aws.greengrass.generic',
    ComponentDescription: `TensorFlow model ${artifact.name} ${artifact.version}`,
    ComponentPublisher: 'deeplens-tensorflow',
    Manifests: [
      {
        Platform: { os: 'linux', runtime: '*' },
        Artifacts: [{ Uri: uri, Unarchive: 'ZIP', Permission: { Read: 'ALL' } }],
        Lifecycle: { install: 'true', run: 'true' },
      },
    ],
  };
}

// Environment variables of the camera's loop.
function functionSettings(settings, model) {
  const variables = {
    DEEPLENS_MODEL_ARTIFACT: `{${model.name}:artifacts:path}/model.zip`,
    DEEPLENS_MODEL_DIRECTORY: `{${model.name}:artifacts:decompressedPath}/model`,
    DEEPLENS_MODEL_DIGEST: model.digest,
    DEEPLENS_CAMERA: settings.camera,
    DEEPLENS_ENGINE: settings.engine,
    DEEPLENS_THRESHOLD: decimal(settings.threshold),
    DEEPLENS_TOPIC: settings.topic,
    DEEPLENS_FRAME_INTERVAL_SECONDS: decimal(settings.frame_interval_seconds),
    DEEPLENS_HEARTBEAT_INTERVAL_SECONDS: decimal(settings.heartbeat_interval_seconds),
  };
  if (settings.live_view_port !== null) {
    variables.DEEPLENS_LIVE_VIEW_PORT = String(settings.live_view_port);
  }
  return variables;
}

// The camera is written in Python, where a whole number of seconds reads "5.0".
function decimal(number) {
  return Number.isInteger(number) ? number.toFixed(1) : String(number);
}

// What the function may publish and hear over Greengrass' IPC.
function accessControl(component, topic) {
  const shadow = '$aws/things/{iot:thingName}/shadow/name/deeplens';
  return {
    accessControl: {
      'aws.greengrass.ipc.mqttproxy': {
        [`${component}:mqttproxy:1`]: {
          policyDescription: 'Detections and the heartbeat of its own thing.',
          operations: ['aws.greengrass#PublishToIoTCore'],
          resources: [
            topic.replaceAll('{thing}', '{iot:thingName}'),
            `${shadow}/update`,
            `${shadow}/get`,
          ],
        },
        [`${component}:mqttproxy:2`]: {
          policyDescription: 'Settings that the shadow of its own thing desires.',
          operations: ['aws.greengrass#SubscribeToIoTCore'],
          resources: [`${shadow}/get/accepted`, `${shadow}/update/delta`],
        },
      },
    },
  };
}

module.exports = {
  RELEASES,
  accessControl,
  componentNumbers,
  coreComponents,
  functionSettings,
  modelRecipe,
};
