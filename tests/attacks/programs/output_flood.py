"""Writes 200 MB to its output. Contained: cut at the limit, and nobody's memory grows."""

import os
import time

end = time.monotonic() + 20
for _ in range(200):
    os.write(1, b"x" * 79 * 13264)
    if time.monotonic() > end:
        break
