"""The steps of `deeplens local`: train, deploy, deliver and watch on the emulator."""
