"""Commands of `deeplens model`; each module contains a command, which runs slow imports itself."""
