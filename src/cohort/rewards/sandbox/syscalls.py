"""The numbers of system calls, and which of them a sandbox forbids.

What is in no table below is allowed up to NEWEST, the last call that was looked at; a kernel that knows
later ones seems to lack them. Numbers are of Linux's own headers.
"""

from __future__ import annotations

import errno
import os

NEWEST = 462

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""The machine's name and what a filter sees as its `arch`."""

_FORBIDDEN = """
mount 165 40; umount2 166 39; pivot_root 155 41; chroot 161 51; unshare 272 97; setns 308 268
open_tree 428 428; move_mount 429 429; fsopen 430 430; fsconfig 431 431; fsmount 432 432
fspick 433 433; mount_setattr 442 442; statmount 457 457; listmount 458 458; swapon 167 224
swapoff 168 225; reboot 169 142; kexec_load 246 104; kexec_file_load 320 294; init_module 175 105
finit_module 313 273; delete_module 176 106; acct 163 89; quotactl 179 60; quotactl_fd 443 443
syslog 103 116; settimeofday 164 170; clock_settime 227 112; adjtimex 159 171; clock_adjtime 305 266
sethostname 170 161; setdomainname 171 162; iopl 172 -; ioperm 173 -; modify_ldt 154 -
vhangup 153 58; nfsservctl 180 42; lookup_dcookie 212 18; uselib 134 -; ustat 136 -; sysfs 139 -
_sysctl 156 -; bpf 321 280; perf_event_open 298 241; userfaultfd 323 282; keyctl 250 219
io_uring_setup 425 425; io_uring_enter 426 426; io_uring_register 427 427; add_key 248 217
io_setup 206 0; io_submit 209 2; io_destroy 207 1; io_getevents 208 4; io_cancel 210 3
io_pgetevents 333 292; request_key 249 218; name_to_handle_at 303 264; open_by_handle_at 304 265
lsm_get_self_attr 459 459; lsm_set_self_attr 460 460; lsm_list_modules 461 461; seccomp 317 277
fanotify_init 300 262; fanotify_mark 301 263; inotify_init 253 -; inotify_init1 294 26
inotify_add_watch 254 27; inotify_rm_watch 255 28; map_shadow_stack 453 453; cachestat 451 451
mincore 27 232; sync 162 81; syncfs 306 267; ptrace 101 117; process_vm_readv 310 270
process_vm_writev 311 271; kcmp 312 272; pidfd_open 434 434; pidfd_getfd 438 438
pidfd_send_signal 424 424; process_madvise 440 440; process_mrelease 448 448; setpriority 141 140
sched_setaffinity 203 122; sched_setscheduler 144 119; sched_setparam 142 118; sched_setattr 314 274
ioprio_set 251 30; migrate_pages 256 238; move_pages 279 239; mbind 237 235; set_mempolicy 238 237
get_mempolicy 239 236; set_mempolicy_home_node 450 450; memfd_create 319 279; memfd_secret 447 447
shmget 29 194; shmat 30 196; shmctl 31 195; shmdt 67 197; semget 64 190; semop 65 193; semctl 66 191
semtimedop 220 192; msgget 68 186; msgsnd 69 189; msgrcv 70 188; msgctl 71 187; mq_open 240 180
mq_unlink 241 181; mq_timedsend 242 182; mq_timedreceive 243 183; mq_notify 244 184
mq_getsetattr 245 185; remap_file_pages 216 234; socket 41 198; bind 49 200; connect 42 203
listen 50 201; accept 43 202; accept4 288 242; setsockopt 54 208
"""

_FORBIDDEN_BARE = """
fork 57 -; vfork 58 -; tkill 200 130; rt_sigqueueinfo 129 138; rt_tgsigqueueinfo 297 240
chmod 90 -; fchmod 91 52; fchmodat 268 53; fchmodat2 452 452; chown 92 -; fchown 93 55; lchown 94 -
fchownat 260 54; utime 132 -; utimes 235 -; futimesat 261 -; utimensat 280 88; setxattr 188 5
lsetxattr 189 6; fsetxattr 190 7; removexattr 197 14; lremovexattr 198 15; fremovexattr 199 16
truncate 76 45; ftruncate 77 46; creat 85 -; setpgid 109 154; setsid 112 157
sendmsg 46 211; sendmmsg 307 269; capget 125 90
"""

_LACKING = """
clone3 435 435; splice 275 76; tee 276 77; vmsplice 278 75; sendfile 40 71; flock 73 32
"""

_LACKING_BARE = """
openat2 437 437; readlink 89 -; readlinkat 267 78; getxattr 191 8; lgetxattr 192 9; fgetxattr 193 10
listxattr 194 11; llistxattr 195 12; flistxattr 196 13
"""

_ABOUT_PROCESSES = """
getpgid 121 155; getsid 124 156; sched_getaffinity 204 123; sched_getscheduler 145 120
sched_getparam 143 121; sched_rr_get_interval 148 127; sched_getattr 315 275; get_robust_list 274 100
"""

_CLOCKS = """
clock_gettime 228 113; clock_getres 229 114; clock_nanosleep 230 115; timer_create 222 107
"""

_OTHERS = """
clone 56 220; prlimit64 302 261; ioctl 16 29; prctl 157 167; fcntl 72 25; mmap 9 222
personality 135 92; socketpair 53 199; kill 62 129; tgkill 234 131; open 2 -; openat 257 56
getpriority 140 141; ioprio_get 252 31; capset 126 91; close_range 436 436
landlock_create_ruleset 444 444; landlock_add_rule 445 445; landlock_restrict_self 446 446
"""


def _table(text: str) -> dict[str, tuple[int, int]]:
    entries = (entry.split() for entry in text.replace("\n", ";").split(";") if entry.strip())
    return {
        name: (int(intel), -1 if arm == "-" else int(arm))
        if intel != "-" else (-1, int(arm))
        for name, intel, arm in entries
    }  # fmt: skip


FORBIDDEN = _table(_FORBIDDEN)
"""In every tier: mounts, namespaces, other processes, sockets and how much they buffer, clocks, keys,
memory that nobody counts."""

FORBIDDEN_BARE = _table(_FORBIDDEN_BARE)
"""Where Landlock is the only wall: new processes, signals, what it does not guard (metadata), and
descriptors on their way from socket to socket, whose memory nobody would find."""

LACKING = dict.fromkeys(_table(_LACKING), errno.ENOSYS)
"""In every tier, what seems not to exist, and the error that makes libraries do without: `clone3` hides
its flags; pages that are moved between pipes and sockets are kept by who is charged for a byte of them;
locks are felt by who else reads the file, and cargo goes on without where there are none."""

LACKING_BARE = {
    "openat2": errno.ENOSYS,
    "readlink": errno.EINVAL,
    "readlinkat": errno.EINVAL,
    **{name: errno.ENOTSUP for name in _table(_LACKING_BARE) if name.endswith("xattr")},
}
"""Where Landlock is the only wall: contents that are no file's. Links seem to be none."""

ABOUT_PROCESSES = tuple(_table(_ABOUT_PROCESSES))
"""Questions whose first argument is a process."""

CLOCKS = tuple(_table(_CLOCKS))
"""Calls whose first argument is a clock, which may be that of a process."""

EXAMINED = _table(_OTHERS)
"""Calls whose arguments are looked at, and those that the sandbox itself makes."""

_ALL = (
    FORBIDDEN | FORBIDDEN_BARE | EXAMINED
    | _table(_LACKING) | _table(_LACKING_BARE) | _table(_ABOUT_PROCESSES) | _table(_CLOCKS)
)  # fmt: skip


def machine() -> str:
    """The machine's name, as in ARCHITECTURES if it is one of those."""
    name = os.uname().machine
    return {"arm64": "aarch64", "amd64": "x86_64"}.get(name, name)


def number(name: str) -> int:
    """The number of a call on this machine; -1 where it has none."""
    return _ALL[name][0 if machine() == "x86_64" else 1]
