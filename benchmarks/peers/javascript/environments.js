// Environment files with the defaults of environment.json. A setting without an implementation here
// is rejected, so a comparison always covers the same work.

const fs = require('node:fs');
const path = require('node:path');
const { parse } = require('smol-toml');
const SECTIONS = require('../environment.json');

const ROOT = path.resolve(__dirname, '..', '..', '..');
const TOP_LEVEL = [
  'account',
  'region',
  'promoted_from',
  'permissions_boundary',
  'tags',
  ...Object.keys(SECTIONS),
];

// An error of the environment files, printed as one line without a stack trace.
class ConfigError extends Error {}

function loadEnvironments(folder) {
  const files = fs.globSync('*.toml', { cwd: folder }).sort();
  if (files.length === 0) {
    throw new ConfigError(`${folder}: no environment file (*.toml) here; expected dev.toml, …`);
  }
  return files.map((file) => loadEnvironment(path.join(folder, file)));
}

function loadEnvironment(file) {
  const given = parseToml(file);
  const name = path.basename(file, '.toml');
  rejectUnknown(file, '', given, TOP_LEVEL);
  const environment = { ...given, name, tags: given.tags ?? {} };
  for (const [section, defaults] of Object.entries(SECTIONS)) {
    rejectUnknown(file, `${section}.`, given[section] ?? {}, Object.keys(defaults));
    environment[section] = { ...defaults, ...given[section] };
  }
  rejectMissing(file, {
    account: given.account,
    region: given.region,
    'model.name': environment.model.name,
    'model.digest': environment.model.digest,
  });
  environment.model_store.bucket_name ??= `deeplens-${name}-${given.account}-${given.region}`;
  environment.fleet.thing_group ??= `deeplens-${name}`;
  return environment;
}

function parseToml(file) {
  try {
    return parse(fs.readFileSync(file, 'utf8'));
  } catch (error) {
    throw new ConfigError(`${file}: ${error.message.split('\n')[0]}`);
  }
}

function rejectUnknown(file, prefix, given, known) {
  for (const key of Object.keys(given)) {
    if (!known.includes(key)) {
      throw new ConfigError(`${file}: ${prefix}${key}: the JavaScript peer does not have this setting`);
    }
  }
}

function rejectMissing(file, required) {
  for (const [key, value] of Object.entries(required)) {
    if (!value) {
      throw new ConfigError(`${file}: ${key} is missing`);
    }
  }
}

module.exports = { ROOT, ConfigError, loadEnvironments };
