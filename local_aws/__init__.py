"""The emulator: ministack, our Greengrass V2 on top of it, and a virtual core device."""
