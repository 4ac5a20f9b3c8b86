"""Connects without the call that connects, by sending at once. Contained: the server sees nothing."""

import socket
import sys

sys.path.insert(0, ".")
from lever import AT

with socket.socket() as near:
    near.settimeout(1)
    near.sendto(b"hello", socket.MSG_FASTOPEN, ("127.0.0.1", AT.tcp_port))
