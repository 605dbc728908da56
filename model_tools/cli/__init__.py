"""Commands of `deeplens model`, one per module; slow imports are inside the functions."""
