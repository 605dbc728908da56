"""The endpoints, ports and topics that devices use."""
