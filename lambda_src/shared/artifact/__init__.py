"""A model artifact: its archive, manifest, labels, and drift baseline.

Errors:

    VisionError
    ├── ManifestError      manifest.json contradicts its schema
    ├── LabelMapError      the label map is not valid
    ├── ImageError         an image cannot be read
    │   └── SizeError      it is above the limit
    ├── EngineError        the requested device is not available
    └── ArtifactError      the artifact's bytes do not have the expected digest
        └── ScoresError    a classifier's scores contradict its manifest
"""
