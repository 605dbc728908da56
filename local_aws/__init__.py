"""The local emulator: ministack, services such as Greengrass V2, and a virtual core device."""
