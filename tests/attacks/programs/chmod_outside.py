"""Makes a secret file readable for everybody. Contained: its mode stays."""

import os
import sys

sys.path.insert(0, ".")
from lever import AT, attempt

for path in (AT.secret, AT.public, AT.outside):
    attempt(os.chmod, path, 0o777)
    attempt(os.chown, path, os.getuid(), -1)
