"""Opens devices of the machine. Contained: none but null, zero, random and the like."""

import os
import sys

sys.path.insert(0, ".")
from lever import attempt, escaped

names = "mem port kmsg kvm fuse net/tun vhost-net vhost-vsock vsock vda sda loop-control loop0 ptmx"
names += " tty console uinput snd/timer dri/card0 cpu_dma_latency rtc0 hpet watchdog btrfs-control"
for name in names.split():
    for flags in (os.O_RDONLY, os.O_RDWR):
        if attempt(os.open, f"/dev/{name}", flags | os.O_NONBLOCK | os.O_NOCTTY):
            escaped(f"opened /dev/{name}")
            break
