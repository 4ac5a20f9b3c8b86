"""Connects with multipath TCP, which rules about TCP may overlook. Contained: the server sees nothing."""

import socket
import sys

sys.path.insert(0, ".")
from lever import AT

with socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262) as near:
    near.settimeout(1)
    near.connect(("127.0.0.1", AT.tcp_port))
