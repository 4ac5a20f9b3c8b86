"""Opens a socket of every family that there is. Contained: none but the ordinary ones."""

import socket
import sys

sys.path.insert(0, ".")
from lever import attempt, escaped

for family in range(3, 47):
    for kind in (1, 2, 3, 4, 5) if family != socket.AF_INET6 else ():
        if attempt(socket.socket, family, kind, 0):
            escaped(f"a socket of family {family}, kind {kind}")
