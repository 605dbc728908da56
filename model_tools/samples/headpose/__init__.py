"""The head-pose classifier of the DeepLens guide: where a head looks, in nine classes."""
