"""Commands of `deeplens model`, one module each; slow imports run inside the commands."""
