"""What the computation of rows does to the memory of its process."""

import platform
import subprocess
import sys

import pytest

HELD = """
import numpy as np
import torch
from cohort.data.packing import Family, Member, pack
from cohort.train.rows import Rows


def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

weight = torch.zeros(1, requires_grad=True)
row = pack([Family(np.zeros(2, np.int32), (Member(np.zeros(2, np.int32), 0),))])
rows = Rows([weight])
rows.gradient([row], lambda row: (weight.sum(), None))
torch.zeros(2**22)  # its end lets glibc keep blocks of up to 16 MB
before, freed, kept = resident(), [], []
for _ in range(100):  # a small tensor that stays lies above every large one
    freed.append(torch.zeros(2**18))
    kept.append(torch.zeros(2**10))
freed.clear()
rows.gradient([row], lambda row: (weight.sum(), None))
print(resident() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_free_memory_goes_back_after_an_update():
    ran = subprocess.run([sys.executable, "-c", HELD], capture_output=True, text=True, check=True)
    assert int(ran.stdout) < 20 * 2**20, "of 100 MiB that were freed most is still held"
