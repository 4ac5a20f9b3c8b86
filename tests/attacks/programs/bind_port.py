"""Offers a service on the machine's own network. Contained: refused, or on a network of its own."""

import errno
import socket
import sys

sys.path.insert(0, ".")
from lever import AT, escaped

near = socket.socket()
near.bind(("127.0.0.1", 0))
near.listen()
error = 0
try:
    socket.socket().bind(("127.0.0.1", AT.tcp_port))
except OSError as refusal:
    error = refusal.errno
if error == errno.EADDRINUSE:
    escaped("it listens on the machine's network")
