"""The local emulator: ministack, Greengrass V2 and other services, and a virtual core device."""
