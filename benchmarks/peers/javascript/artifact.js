// The artifact that an environment pins: its bytes are checked, and its manifest says the version.

const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const { strFromU8, unzipSync } = require('fflate');
const { ROOT, ConfigError } = require('./environments');

const DOCUMENTS = [
  { title: 'Provenance', base: 'provenance.intoto.json' },
  { title: 'Sbom', base: 'sbom.cdx.json' },
];

const loaded = new Map();

function sha256(bytes) {
  return crypto.createHash('sha256').update(bytes).digest('hex');
}

function loadArtifact({ name, digest }) {
  const file = path.join(ROOT, 'models', name, digest, 'model.zip');
  if (!loaded.has(file)) {
    if (!fs.existsSync(file)) {
      throw new ConfigError(`${file}: the pinned artifact is not there`);
    }
    const bytes = fs.readFileSync(file);
    const found = sha256(bytes);
    if (found !== digest) {
      throw new ConfigError(`${file}: the artifact's SHA-256 is ${found}, the pin says ${digest}`);
    }
    const entries = unzipSync(bytes, { filter: (entry) => entry.name === 'manifest.json' });
    const { version } = JSON.parse(strFromU8(entries['manifest.json']));
    const documents = DOCUMENTS.map(({ title, base }) => {
      const document = path.join(path.dirname(file), base);
      return { title, name, file: document, digest: sha256(fs.readFileSync(document)) };
    });
    loaded.set(file, { file, name, digest, version, documents });
  }
  return loaded.get(file);
}

module.exports = { loadArtifact };
