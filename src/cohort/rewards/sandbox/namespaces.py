"""The strongest tier: a process that is alone in a machine of its own, with a root that forgets itself.

    stage    forked by the launcher; becomes nobody, leaves for new namespaces, waits for init
    init     the first process of them; builds the root, watches the program, and takes all with it
    program  without rights, behind Landlock and the filter

The root is a file system in memory, bounded in bytes and in files, with the system's own folders in
it, to read only. The folder /tmp can be written; the work folder is in it.
"""

from __future__ import annotations

import os
import socket
import stat

from cohort.rewards.sandbox import kernel, landlock
from cohort.rewards.sandbox.confine import become, become_user, limit_processes, wall_in
from cohort.rewards.sandbox.watch import watch
from cohort.rewards.sandbox.wire import Order, tell, tell_end

NAMESPACES = (
    kernel.CLONE_NEWUSER | kernel.CLONE_NEWNS | kernel.CLONE_NEWPID | kernel.CLONE_NEWNET
    | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS | kernel.CLONE_NEWCGROUP
)  # fmt: skip
INSIDE = 1000
"""The user and group that the program sees itself as."""

WORK = "/tmp/work"
DEVICES = ("/dev/null", "/dev/random", "/dev/urandom")
"""Not /dev/zero: a shared mapping of it is memory that no process is charged for."""
ROOT_BYTES, ROOT_FILES = 2**20, 1024
SPARE_BYTES, SPARE_FILES = 2**16, 8
"""For folders and the rounding of files to pages."""


def hold(order: Order, files: dict[str, bytes], channel: socket.socket, streams: list[int]) -> None:
    """The stage: returns when nothing of the program is left. Raises OSError."""
    trees: dict[str, int] = {}
    if order["user"] is not None:
        trees = _trees(order)  # while every folder can still be reached
        become_user(order["user"] + os.getpid())
        kernel.prctl(kernel.PR_SET_DUMPABLE, 1)  # or our own maps in /proc could not be written
    user, group = os.getuid(), os.getgid()
    kernel.call("unshare", NAMESPACES)
    _map("setgroups", "deny")
    _map("uid_map", f"{INSIDE} {user} 1")
    _map("gid_map", f"{INSIDE} {group} 1")
    trees = trees or _trees(order)
    kernel.prctl(kernel.PR_SET_PDEATHSIG, 9)
    init = os.fork()
    if init == 0:
        try:
            _init(order, files, trees, channel, streams)
        except OSError as error:
            tell(channel, failed=str(error))
        finally:
            os._exit(0)
    pidfd = os.pidfd_open(init)
    socket.send_fds(channel, [b"\n"], [pidfd])
    os.waitpid(init, 0)


def _map(name: str, text: str) -> None:
    with open(f"/proc/self/{name}", "w") as file:
        file.write(text)


def _trees(order: Order) -> dict[str, int]:
    """What of the machine is seen inside, to read only, as mounts that are not attached yet."""
    private = kernel.MOUNT_ATTR_NOSUID
    trees = {}
    for path in (*order["readable"], *DEVICES):
        tree = kernel.open_tree(path)
        device = path in DEVICES
        extra = kernel.MOUNT_ATTR_NOEXEC if device else kernel.MOUNT_ATTR_NODEV
        kernel.set_mount(tree, private | extra | kernel.MOUNT_ATTR_RDONLY, recursive=True)
        trees[path] = tree
    return trees


def _init(
    order: Order,
    files: dict[str, bytes],
    trees: dict[str, int],
    channel: socket.socket,
    streams: list[int],
) -> None:
    kernel.prctl(kernel.PR_SET_PDEATHSIG, 9)
    socket.sethostname("sandbox")
    _build_root(order, trees)
    write_files(WORK, files)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)  # what init holds in /proc is not for the program
    failed, told = os.pipe()
    program = os.fork()
    if program == 0:
        try:
            become(order, WORK, streams, lambda: _confine(order))
        except OSError as error:
            os.write(told, str(error).encode())
        finally:
            os._exit(127)
    os.close(told)
    for stream in streams:
        os.close(stream)
    kernel.drop_capabilities()
    if reason := os.read(failed, 4096):
        tell(channel, failed=reason.decode(errors="replace"))
        return
    tell(channel, started=True)
    watched = watch(order, program, channel.fileno(), _all_processes)
    if watched.end in ("exited", "signal") and watched.code and _is_full():
        watched.end = "disk"
    tell_end(channel, watched.end, watched.code, watched.seconds, watched.peak_memory_bytes)


def _confine(order: Order) -> None:
    limit_processes(order["processes"] + 2)  # the stage and init are of this user too
    rules = [(path, landlock.READ) for path in order["readable"]]
    rules += [("/", landlock.READ_DIR), ("/proc", landlock.LOOK), ("/tmp", landlock.WRITE)]
    rules += [("/dev/null", landlock.USE)]
    rules += [(device, landlock.READ_FILE) for device in DEVICES[1:]]
    wall_in(order, rules, None)


def _build_root(order: Order, trees: dict[str, int]) -> None:
    """Make the new root where /tmp is, move there, and let go of the old one."""
    bare = kernel.MS_NOSUID | kernel.MS_NODEV
    kernel.mount("", "/", kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount("tmpfs", "/tmp", bare, f"size={ROOT_BYTES},nr_inodes={ROOT_FILES},mode=755")
    os.chdir("/tmp")
    for name in ("tmp", "proc", "dev"):
        os.mkdir(name)
    size = order["disk_bytes"] + sum(-(-length // 4096) * 4096 for _, length in order["files"])
    inodes = order["inodes"] + SPARE_FILES
    room = f"size={size + SPARE_BYTES},nr_inodes={inodes},mode=755"
    kernel.mount("tmpfs", "tmp", bare, room)
    os.mkdir("tmp/work")
    _mount_proc(bare | kernel.MS_NOEXEC)
    for path in sorted(trees, key=len):
        _attach(trees[path], path)
    for link in ("/bin", "/sbin", "/lib", "/lib64", "/lib32"):
        if os.path.islink(link) and not os.path.lexists(link[1:]):
            os.symlink(os.readlink(link), link[1:])
    kernel.call("pivot_root", b".", b".")
    kernel.call("umount2", b".", kernel.MNT_DETACH)
    os.chdir("/")
    kernel.set_mount("/", kernel.MOUNT_ATTR_RDONLY, recursive=False)


def _mount_proc(flags: int) -> None:
    try:
        kernel.mount("proc", "proc", flags, "subset=pid")  # processes, and nothing of the machine
    except OSError:  # a kernel before that option, or one that wants to see all of its own first
        kernel.mount("proc", "proc", flags)


def _attach(tree: int, path: str) -> None:
    inside = path.lstrip("/")
    if stat.S_ISDIR(os.fstat(tree).st_mode):  # the path itself may be out of reach by now
        os.makedirs(inside, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(inside), exist_ok=True)
        with open(inside, "ab"):
            pass
    kernel.attach(tree, inside)
    os.close(tree)


def write_files(where: str, files: dict[str, bytes]) -> None:
    """Write a program's files into its work folder; their names have been looked at."""
    for name, content in files.items():
        path = os.path.join(where, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "xb", buffering=0) as file:
            file.write(content)


def _all_processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and name != "1"]


def _is_full() -> bool:
    room = os.statvfs("/tmp")
    return room.f_bavail == 0 or room.f_favail == 0
