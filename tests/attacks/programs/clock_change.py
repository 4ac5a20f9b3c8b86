"""Sets the machine's clock, to the time that it has. Contained: refused."""

import sys
import time

sys.path.insert(0, ".")
from lever import attempt, escaped

for clock in (time.CLOCK_REALTIME, 11):
    if attempt(time.clock_settime, clock, time.clock_gettime(clock)):
        escaped(f"clock {clock}")
