"""How a device reaches us. Each link stacks the wire layers and ends in one ``devices.device.Device``."""
