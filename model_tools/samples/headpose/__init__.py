"""The head-pose classifier of the DeepLens guide, with nine classes of directions."""
