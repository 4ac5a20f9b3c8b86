"""Opens a message queue that every process of the machine could read. Contained: refused."""

import sys

sys.path.insert(0, ".")
from lever import AT, call, escaped

name = AT.mark.encode()
call(240, name, 0o102, 0o600, None)
call(241, name)
escaped("a message queue")
