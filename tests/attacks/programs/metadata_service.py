"""Asks the service that gives machines of a cloud their keys. Contained: no socket, or no route."""

import socket
import sys

sys.path.insert(0, ".")
from lever import attempt, escaped

for address in ("169.254.169.254", "100.100.100.200", "192.0.0.192"):
    near = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    if attempt(near.connect, (address, 80)):
        escaped(f"there is a route to {address}")
