"""Connects to an address of the documentation's network. Contained: no socket, or no route."""

import errno
import socket
import sys

sys.path.insert(0, ".")
from lever import escaped

with socket.socket() as near:
    near.settimeout(1)
    error = near.connect_ex(("192.0.2.1", 80))
if error in (0, errno.EINPROGRESS, errno.EAGAIN, errno.ETIMEDOUT):
    escaped("a packet was sent")
