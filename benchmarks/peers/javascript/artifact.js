// The artifact that an environment pins: its bytes are checked, and its manifest says the version.

const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const { strFromU8, unzipSync } = require('fflate');
const { ROOT, ConfigError } = require('./environments');

const loaded = new Map();

function loadArtifact({ name, digest }) {
  const file = path.join(ROOT, 'models', name, digest, 'model.zip');
  if (!loaded.has(file)) {
    if (!fs.existsSync(file)) {
      throw new ConfigError(`${file}: the pinned artifact is not there`);
    }
    const bytes = fs.readFileSync(file);
    const found = crypto.createHash('sha256').update(bytes).digest('hex');
    if (found !== digest) {
      throw new ConfigError(`${file}: the artifact's SHA-256 is ${found}, the pin says ${digest}`);
    }
    const entries = unzipSync(bytes, { filter: (entry) => entry.name === 'manifest.json' });
    const { version } = JSON.parse(strFromU8(entries['manifest.json']));
    loaded.set(file, { file, name, digest, version });
  }
  return loaded.get(file);
}

module.exports = { loadArtifact };
