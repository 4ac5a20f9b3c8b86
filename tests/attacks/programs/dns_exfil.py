"""Asks for a name that holds what it wants to tell, and speaks to a resolver. Contained: nobody hears it."""

import socket
import sys

sys.path.insert(0, ".")
from lever import AT, attempt, escaped

near = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
attempt(
    near.sendto, b"\0\1\1\0\0\1\0\0\0\0\0\0\6secret\7invalid\0\0\1\0\1", ("127.0.0.1", AT.udp_port)
)
if attempt(near.connect, ("192.0.2.1", 53)):
    escaped("there is a route out")
if attempt(socket.getaddrinfo, "secret.invalid", 80):
    escaped("a name was resolved")
