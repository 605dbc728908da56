"""A model artifact: its archive, manifest, labels, and drift baseline.

Errors:

    ArtifactError          the bytes do not have the expected digest, or cannot be read
    ├── ManifestError      manifest.json violates its schema
    ├── LabelMapError      the label map is not valid
    ├── ImageError         an image cannot be read
    │   └── SizeError      an image exceeds the size limit
    ├── EngineError        the requested device is not available
    └── ScoresError        a classifier's scores do not match its manifest
"""
