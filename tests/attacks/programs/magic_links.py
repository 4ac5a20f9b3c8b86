"""Climbs from the links in /proc that are no paths. Contained: they lead to its own places."""

import sys

sys.path.insert(0, ".")
from lever import AT, contents, leaked

for link in ("cwd", "root", "exe/..", "fd/0/..", "fd/1/..", "task/../cwd", "map_files/.."):
    for steps in range(0, 12, 2):
        leaked(contents(f"/proc/self/{link}/" + "../" * steps + AT.secret), link)
        leaked(contents(f"/proc/self/{link}/" + "../" * steps + AT.public), link)
