"""Makes namespaces of every other kind. Contained: refused."""

import sys

sys.path.insert(0, ".")
from lever import allowed, escaped

kinds = (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x20000000, 0x40000000, 0x80)
for kind in kinds:
    if allowed(272, kind):
        escaped(f"a namespace of kind {kind:#x}")
