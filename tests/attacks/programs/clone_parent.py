"""Makes processes that are its siblings, not its children. Contained: counted, and none left."""

import os
import sys
import time

sys.path.insert(0, ".")
from lever import call

for _ in range(40):
    if call(56, 0x8000 | 17, 0, 0, 0, 0) == 0:
        os.setsid()
        time.sleep(20)
        os._exit(0)
