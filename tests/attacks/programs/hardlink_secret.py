"""Links a secret file into its own folder. Contained: no link, no reading."""

import os
import sys

sys.path.insert(0, ".")
from lever import AT, FOLDERS, attempt, contents, leaked

for secret in (AT.secret, AT.public):
    for folder in FOLDERS:
        link = f"{folder}/{AT.mark}-link"
        if attempt(os.link, secret, link):
            leaked(contents(link), "through a link")
