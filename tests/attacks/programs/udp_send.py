"""Sends a datagram to a server of the machine. Contained: the server sees nothing."""

import socket
import sys

sys.path.insert(0, ".")
from lever import AT

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as near:
    near.sendto(b"hello", ("127.0.0.1", AT.udp_port))
