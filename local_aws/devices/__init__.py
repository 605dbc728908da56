"""The endpoints, ports and topics for devices."""
