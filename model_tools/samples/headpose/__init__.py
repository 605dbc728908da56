"""The head-pose classifier of the DeepLens guide: the direction of a head, in nine classes."""
