"""Raises every limit that it has above its ceiling. Contained: refused."""

import resource
import sys

sys.path.insert(0, ".")
from lever import attempt, escaped

for name in [name for name in dir(resource) if name.startswith("RLIMIT_")]:
    number = getattr(resource, name)
    ceiling = resource.getrlimit(number)[1]
    if ceiling == resource.RLIM_INFINITY:
        continue
    for above in (ceiling + 1, resource.RLIM_INFINITY):
        if attempt(resource.setrlimit, number, (above, above)):
            escaped(f"{name} raised above {ceiling}")
