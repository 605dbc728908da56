// Environment files, with the same defaults as stacks/config. What the twin does not know it
// refuses, so that it never passes for an equal that it is not.

const fs = require('node:fs');
const path = require('node:path');
const { parse } = require('smol-toml');

const ROOT = path.resolve(__dirname, '..', '..', '..');

const SECTIONS = {
  model: { name: undefined, digest: undefined },
  model_store: {
    bucket_name: undefined,
    termination_protection: true,
    access_log_retention_days: 90,
    noncurrent_version_days: 90,
  },
  fleet: { thing_group: undefined, things: [] },
  inference: {
    camera: 'folder:camera',
    engine: 'openvino',
    threshold: 0.5,
    topic: 'deeplens/{thing}/infer',
    frame_interval_seconds: 1,
    heartbeat_interval_seconds: 10,
    live_view_port: undefined,
    isolation_mode: 'NoContainer',
    log_retention_days: 30,
  },
  rollout: {
    wait_seconds: 300,
    bake_seconds: 0,
    success_percent: 100,
    error_percent: 0,
    minimum_devices: 0,
    offline_after_seconds: 20,
    minimum_frames_per_second: 0,
    on_delete: 'remove',
  },
  monitoring: {
    notify: [],
    log_retention_days: 30,
    no_heartbeat_minutes: 5,
    latency_p95_ms: 1000,
    failing_share: 0.1,
    spool_fill_share: 0.8,
  },
};
const TOP_LEVEL = ['account', 'region', 'promoted_from', 'tags', ...Object.keys(SECTIONS)];

function loadEnvironments(folder) {
  const files = fs.readdirSync(folder).filter((file) => file.endsWith('.toml'));
  if (files.length === 0) {
    throw new Error(`${folder}: no environment file (*.toml) here`);
  }
  return files.sort().map((file) => loadEnvironment(path.join(folder, file)));
}

function loadEnvironment(file) {
  const given = parse(fs.readFileSync(file, 'utf8'));
  const name = path.basename(file, '.toml');
  refuseUnknown(file, '', given, TOP_LEVEL);
  const environment = { ...given, name, tags: given.tags ?? {} };
  for (const [section, defaults] of Object.entries(SECTIONS)) {
    refuseUnknown(file, `${section}.`, given[section] ?? {}, Object.keys(defaults));
    environment[section] = { ...defaults, ...given[section] };
  }
  environment.model_store.bucket_name ??= `deeplens-${name}-${given.account}-${given.region}`;
  environment.fleet.thing_group ??= `deeplens-${name}`;
  return environment;
}

function refuseUnknown(file, prefix, given, known) {
  for (const key of Object.keys(given)) {
    if (!known.includes(key)) {
      throw new Error(`${file}: ${prefix}${key}: the JavaScript twin does not have this setting`);
    }
  }
}

module.exports = { ROOT, loadEnvironments };
