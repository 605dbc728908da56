"""What a model artifact is and how it is run: shared by the camera and by model_tools.

Errors:

    VisionError
    ├── ManifestError      manifest.json is not what its schema says
    ├── LabelMapError      the label map is not one
    ├── ImageError         an image cannot be read
    │   └── SizeError      it is above the limit
    └── ArtifactError      the artifact's bytes are not those that were promised
        └── ScoresError    a classifier's scores contradict its manifest
"""
