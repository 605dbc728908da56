"""`deeplens local`: the local emulator, its cameras and its deliveries."""
