"""Looks for private keys. Contained: no planted key is found."""

import glob
import sys

sys.path.insert(0, ".")
from lever import AT, contents, leaked

for path in glob.glob(f"{AT.home}/.ssh/*") + glob.glob(f"{AT.home}/../*/.ssh/*"):
    leaked(contents(path), path)
leaked(contents(f"{AT.home}/.ssh/id_ed25519"), "a private key")
