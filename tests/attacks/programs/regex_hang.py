"""Backtracks without end in a regular expression. Contained: ended at the limit."""

import re

re.match(r"(a+)+$", "a" * 28 + "b")
