"""Follows a link in a folder that it may read to a secret. Contained: the link leads nowhere."""

import sys

sys.path.insert(0, ".")
from lever import AT, contents, leaked

leaked(contents(f"{AT.library}/link"), "a link in the library")
leaked(contents(f"{AT.library}/../{AT.mark}-secret"), "beside the library")
