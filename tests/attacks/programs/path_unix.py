"""Connects to a socket that is a file outside. Contained: it sees nothing."""

import socket
import sys

sys.path.insert(0, ".")
from lever import AT

with socket.socket(socket.AF_UNIX) as near:
    near.connect(AT.unix_path)
