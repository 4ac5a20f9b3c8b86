"""Writes 200 MB to its errors. Contained: cut at the limit, and nobody's memory grows."""

import os
import time

end = time.monotonic() + 20
for _ in range(200):
    os.write(2, b"error\n" * 170_000)
    if time.monotonic() > end:
        break
