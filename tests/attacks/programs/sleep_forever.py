"""Sleeps, which uses no processor time. Contained: ended at the limit of the clock."""

import time

time.sleep(30)
