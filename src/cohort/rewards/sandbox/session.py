"""A program that runs in a sandbox, spoken with over its stdin and stdout.

Nothing that it does can block for longer than was asked, or take more memory than its limit: what it
does not read is kept, what it writes beyond the cap ends it, and what it says is bytes.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Literal

from cohort.errors import RewardError
from cohort.rewards.sandbox.program import End, Limits, Report
from cohort.rewards.sandbox.starter import Launcher

Missing = Literal["late", "long", "ended"]
"""late: no whole line came in time. long: the line has more bytes than asked for. ended: none will come."""

GRACE_SECONDS = 0.1
"""So long after its limit a program has been killed by its own watcher; if not, it is from here."""
START_SECONDS = 20.0
READ_BYTES = 2**16


class Session:
    """A program under way. Leave it by `finish`, `close` or the end of a `with`, which is `close`."""

    def __init__(
        self,
        channel: socket.socket,
        streams: tuple[int, int, int],
        limits: Limits,
        tier: str,
        launcher: Launcher,
    ) -> None:
        self._channel, self._limits, self._tier = channel, limits, tier
        self._launcher = launcher  # which ends with the last of those who hold it
        self._stdin, self._stdout, self._stderr = streams
        self._input, self._input_ends = bytearray(), False
        self._output = {self._stdout: bytearray(), self._stderr: bytearray()}
        self._received = 0
        self._words = b""
        self._told: dict[str, Any] = {}
        self._pidfd = -1
        self._over = False
        self._stopped_for: End | None = None
        self._began = time.monotonic()
        self._report: Report | None = None
        self._poller = select.poll()
        self._open: set[int] = set()
        for descriptor in (channel.fileno(), self._stdout, self._stderr):
            self._listen(descriptor)
        os.set_blocking(self._stdin, False)

    def give(self, order: Callable[[], None]) -> None:
        """Give the order to the launcher, and return when the program runs. Raises RewardError."""
        self._channel.settimeout(START_SECONDS)
        # Where the other side is gone or stuck, what it said or did not say is looked at below.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, TimeoutError):
            order()
        self._channel.setblocking(False)
        self._pump(self._began + START_SECONDS, lambda: bool(self._told))
        self._began = time.monotonic()
        if "started" in self._told and "failed" not in self._told:
            return
        reason = self._told.get("failed", "its launcher said nothing")
        self.close()
        raise RewardError(
            f"a program could not be started in the sandbox ({self._tier}): {reason}",
            "look at its command and its files",
        )

    def send(self, content: bytes) -> None:
        """Give the program input; what it does not read yet is kept, and sent while we wait for it."""
        self._input += content
        self._write()

    def end_input(self) -> None:
        """Let the program see the end of its input when it has read what was sent."""
        self._input_ends = True
        self._write()

    def receive_line(self, seconds: float, most_bytes: int = 2**16) -> bytes | Missing:
        """The next line of stdout without its end, or why there is none."""
        self._pump(time.monotonic() + seconds, lambda: self._has_line(most_bytes))
        output = self._output[self._stdout]
        end = output.find(b"\n", self._received)
        if (len(output) if end < 0 else end) - self._received > most_bytes:
            return "long"
        if end < 0:
            return "ended" if self._over or self._stdout not in self._open else "late"
        line = bytes(output[self._received : end])
        self._received = end + 1
        return line

    def unread(self) -> bytes:
        """What stdout has by now that was not received as a line; waits for nothing."""
        self._pump(0.0, lambda: False)
        return bytes(self._output[self._stdout][self._received :])

    def finish(self) -> Report:
        """Wait until the program ends or meets a limit; its input ends with what was sent."""
        if self._report is None:
            self.end_input()
            self._pump(self._began + self._limits.wall_seconds + GRACE_SECONDS, lambda: False)
        return self._end("wall")

    def close(self) -> Report:
        """End the program at once, if it has not ended, and say how it went."""
        if self._report is None:
            # One that has closed its output is most likely ending, and may say how.
            ending = self._stdout not in self._open
            self._pump(time.monotonic() + (GRACE_SECONDS if ending else 0.0), lambda: False)
        return self._end("stopped")

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _has_line(self, most_bytes: int) -> bool:
        output = self._output[self._stdout]
        return (
            output.find(b"\n", self._received) >= 0
            or len(output) - self._received > most_bytes
            or self._stdout not in self._open
        )

    def _pump(self, until: float, enough: Callable[[], bool]) -> None:
        """Read and write what can be, until something is enough, the program is over, or it is time."""
        while not enough() and not self._over and self._open:
            left = until - time.monotonic()
            ready = self._poller.poll(max(0.0, 1000 * left))
            for descriptor, _ in ready:
                self._serve(descriptor)
            if not ready and left <= 0:
                return
        if self._over:
            self._drain()

    def _drain(self) -> None:
        """Read what the program wrote before its end. Its pipes may be held open by a fork of ours."""
        while ready := self._poller.poll(0):
            for descriptor, _ in ready:
                self._serve(descriptor)

    def _serve(self, descriptor: int) -> None:
        if descriptor == self._stdin:
            self._write()
        elif descriptor == self._pidfd:
            self._over = True
            self._close(descriptor)
        elif descriptor in self._output:
            self._read(descriptor)
        else:
            self._hear()

    def _hear(self) -> None:
        try:
            words, files, _, _ = socket.recv_fds(self._channel, READ_BYTES, 1)
        except ConnectionResetError:
            words, files = b"", []
        for file in files:
            self._pidfd = file
            self._listen(file)
        if not words:
            self._over = True
            self._ignore(self._channel.fileno())
        *lines, self._words = (self._words + words).split(b"\n")
        for line in filter(None, lines):
            self._told |= json.loads(line)

    def _read(self, descriptor: int) -> None:
        content = os.read(descriptor, READ_BYTES)
        room = self._limits.output_bytes - sum(map(len, self._output.values()))
        self._output[descriptor] += content[:room]
        if len(content) > room:
            self._stop("output")
        if not content or len(content) > room:
            self._close(descriptor)

    def _write(self) -> None:
        if self._stdin < 0:
            self._input.clear()
            return
        while self._input:
            try:
                written = os.write(self._stdin, self._input[:READ_BYTES])
            except BlockingIOError:
                self._listen(self._stdin, select.POLLOUT)
                return
            except BrokenPipeError:
                self._input.clear()
                self._input_ends = True
                break
            del self._input[:written]
        self._ignore(self._stdin)
        if self._input_ends:
            os.close(self._stdin)
            self._stdin = -1

    def _listen(self, descriptor: int, events: int = select.POLLIN) -> None:
        os.set_blocking(descriptor, False)
        self._poller.register(descriptor, events)
        self._open.add(descriptor)

    def _ignore(self, descriptor: int) -> None:
        if descriptor in self._open:
            self._open.remove(descriptor)
            self._poller.unregister(descriptor)

    def _close(self, descriptor: int) -> None:
        self._ignore(descriptor)
        os.close(descriptor)

    def _stop(self, reason: End) -> None:
        """Let the watcher of the program end it, as it does when nobody listens any more."""
        if self._stopped_for is None:
            self._stopped_for = reason
        with contextlib.suppress(OSError):
            self._channel.shutdown(socket.SHUT_WR)

    def _end(self, reason: End) -> Report:
        if self._report is None:
            if not self._over:
                self._stop(reason)
                self._pump(time.monotonic() + GRACE_SECONDS, lambda: False)
            if not self._over and self._pidfd in self._open:
                # With the first process of a sandbox everything in it ends.
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
                self._pump(time.monotonic() + START_SECONDS, lambda: False)
            self._report = self._made_report(time.monotonic() - self._began)
            self._release()
        return self._report

    def _made_report(self, seconds: float) -> Report:
        end = self._told.get("end", "stopped")
        if self._stopped_for is not None and (end == "stopped" or self._stopped_for == "output"):
            end = self._stopped_for
        return Report(
            end=end,
            code=self._told.get("code", signal.SIGKILL),
            stdout=bytes(self._output[self._stdout]),
            stderr=bytes(self._output[self._stderr]),
            seconds=self._told.get("seconds", seconds),
            peak_memory_bytes=self._told.get("peak", 0),
            tier=self._tier,
        )

    def _release(self) -> None:
        channel = self._channel.fileno()
        for descriptor in self._open - {channel, self._stdin}:
            os.close(descriptor)
        if self._stdin >= 0:
            os.close(self._stdin)
        self._open.clear()
        self._stdin = -1
        self._channel.close()
