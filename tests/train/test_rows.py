"""What the computation of rows does to the memory of its process."""

import platform
import subprocess
import sys

import pytest

HELD = """
import torch
from cohort.train.rows import Rows

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

Rows([torch.zeros(1)])
torch.zeros(2**22)  # its end lets glibc keep blocks of up to 16 MB, unless it was told not to
before, freed, kept = resident(), [], []
for _ in range(100):  # a small tensor that stays lies above every large one
    freed.append(torch.zeros(2**18))
    kept.append(torch.zeros(2**10))
freed.clear()
print(resident() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_memory_of_a_row_goes_back_when_it_is_free():
    ran = subprocess.run([sys.executable, "-c", HELD], capture_output=True, text=True, check=True)
    assert int(ran.stdout) < 20 * 2**20, "of 100 MiB that were freed most is still held"
