"""Connects to a socket that has a name but no file. Contained: it sees nothing."""

import socket
import sys

sys.path.insert(0, ".")
from lever import AT

with socket.socket(socket.AF_UNIX) as near:
    near.connect("\0" + AT.abstract)
