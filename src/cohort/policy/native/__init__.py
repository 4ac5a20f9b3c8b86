"""Compiled kernels for what lies between the matrix products, where there is a C compiler.

They are compiled when they are first needed (about two seconds) and kept in the user's cache folder
under a name that says from what, with what and for which processor. Without a compiler, on another
device or in another type torch's own operations do the same, slower: `missing()` says why.
`COHORT_NATIVE=0` in the environment asks for that.

    The functions take contiguous tensors of float32 or bfloat16 and check nothing but that.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path

import torch
from torch import Tensor

FLAGS = (
    "-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math",
    "-mprefer-vector-width=512",
)  # fmt: skip
SOURCES = ("common.h", "kernels.c", "decode.c", "row.c")
THREADED, ALONE = "-fopenmp", "-fopenmp-simd"
"""With the threads of torch, and where the compiler's are of another kind without threads."""
BLOCK = 16
"""Lanes of the cache are a multiple of so many positions long."""
WIDEST = 1024
"""The widest head that the kernels have room for."""
LINES, KEYS = 48, 64
"""Queries of a training row, and keys, whose scores are computed at a time."""
TOGETHER = 4
"""The most query heads that read a key head together."""
COMPILE_SECONDS = 120

_POINTER, _INT, _FLOAT = ctypes.c_void_p, ctypes.c_int64, ctypes.c_float
_SIGNATURES = {
    "rms_norm": [_POINTER] * 4 + [_INT] * 2 + [_FLOAT, ctypes.c_int],
    "rms_norm_backward": [_POINTER] * 7 + [_INT] * 2 + [ctypes.c_int],
    "heads": [_POINTER] * 8 + [_INT] * 4 + [_FLOAT, ctypes.c_int],
    "heads_backward": [_POINTER] * 12 + [_INT] * 4 + [ctypes.c_int],
    "gated": [_POINTER] * 2 + [_INT] * 2 + [ctypes.c_int],
    "gated_backward": [_POINTER] * 3 + [_INT] * 2 + [ctypes.c_int],
    "lay_panels": [_POINTER] * 2 + [_INT] * 3 + [ctypes.c_int],
    "decode_step": [_POINTER] * 2
    + [_INT]
    + [_POINTER] * 8
    + [_FLOAT] * 2
    + [_POINTER] * 7
    + [_INT] * 9
    + [ctypes.c_int],
    "row_attention": [_POINTER] * 7 + [_FLOAT] + [_POINTER] * 7 + [_INT] * 6,
    "draw": [_POINTER] * 6 + [_INT] * 2 + [ctypes.c_int],
}


class Unavailable(Exception):
    """Why there are no compiled kernels here."""


@cache
def _loaded() -> ctypes.CDLL | Unavailable:
    try:
        library = _opened()
    except (Unavailable, OSError, subprocess.SubprocessError) as error:
        return Unavailable(str(error))
    for name, types in _SIGNATURES.items():
        function = getattr(library, name)
        function.argtypes, function.restype = types, None
    return library


def _opened() -> ctypes.CDLL:
    try:
        # Linked to no threads of its own, the library takes those that torch has loaded.
        return ctypes.CDLL(str(_compiled(THREADED)))
    except (Unavailable, OSError):
        return ctypes.CDLL(str(_compiled(ALONE)))


def missing() -> str:
    """Why torch's operations are used instead; empty where the kernels are there."""
    found = _loaded()
    return str(found) if isinstance(found, Unavailable) else ""


def suits(*tensors: Tensor) -> bool:
    """Whether the kernels can work on these: on the CPU, contiguous, all float32 or all bfloat16."""
    dtype = tensors[0].dtype
    if dtype not in (torch.float32, torch.bfloat16):
        return False
    for tensor in tensors:
        if tensor.device.type != "cpu" or tensor.dtype != dtype or not tensor.is_contiguous():
            return False
    return not isinstance(_loaded(), Unavailable)


def suits_strided(*tensors: Tensor) -> bool:
    """The same for tensors [T, H, D] whose tokens may lie apart."""
    return suits(*(tensor[0] for tensor in tensors))


@cache
def panel_width() -> int:
    """Outputs of a matrix that lie side by side in a panel: two registers of this processor."""
    library = _loaded()
    assert isinstance(library, ctypes.CDLL), f"panels without kernels: {library}"
    library.panel_width.restype = _INT
    return int(library.panel_width())


def whole_blocks(length: int) -> int:
    """A number of positions or dimensions rounded up to whole blocks."""
    return -(-length // BLOCK) * BLOCK


def call(name: str, *arguments: Tensor | float | None) -> None:
    """Call a kernel: tensors by their address, None as no address, numbers as they are."""
    library = _loaded()
    assert isinstance(library, ctypes.CDLL), f"{name} without kernels: {library}"
    getattr(library, name)(*(a.data_ptr() if isinstance(a, Tensor) else a for a in arguments))


def draw(logits: Tensor, temperatures: Tensor, uniforms: Tensor) -> tuple[Tensor, Tensor]:
    """A token per row by inverse transform, and its log-probability: [B, V], [B], [B] -> [B], [B].

    temperatures are float32, uniforms float64.
    """
    rows, vocabulary = logits.shape
    tokens = logits.new_empty(rows, dtype=torch.int64)
    logprobs = logits.new_empty(rows, dtype=torch.float32)
    scratch = logits.new_empty(vocabulary, dtype=torch.float32)
    call(
        "draw", logits, temperatures, uniforms, scratch, tokens, logprobs,
        rows, vocabulary, logits.dtype == torch.bfloat16,
    )  # fmt: skip
    return tokens, logprobs


def _compiled(threads: str) -> Path:
    """The compiled library; compiles it where it is not in the cache yet."""
    if os.environ.get("COHORT_NATIVE") == "0":
        raise Unavailable("COHORT_NATIVE is 0")
    compiler = shutil.which(os.environ.get("CC") or "cc") or shutil.which("gcc")
    if compiler is None or os.name == "nt":
        raise Unavailable("there is no C compiler (cc)")
    sources = {name: files(__package__).joinpath(name).read_bytes() for name in SOURCES}
    version = subprocess.run(
        [compiler, "--version"], capture_output=True, check=True, timeout=COMPILE_SECONDS
    ).stdout
    told = b"\0".join(
        (*sources.values(), version, " ".join((*FLAGS, threads)).encode(), _processor().encode())
    )
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cohort"
    target = folder / f"kernels-{hashlib.sha256(told).hexdigest()[:16]}.so"
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _compile([compiler, *FLAGS, threads], sources, target)
    return target


def _compile(compiler: Sequence[str], sources: Mapping[str, bytes], target: Path) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        for name, source in sources.items():
            Path(scratch, name).write_bytes(source)
        code = [Path(name) for name in sources if name.endswith(".c")]
        for step in (
            [*compiler, "-fPIC", "-c", *map(str, code)],
            [compiler[0], "-shared", "-o", target.name, *(f"{one.stem}.o" for one in code), "-lm"],
        ):
            done = subprocess.run(
                step, capture_output=True, text=True, timeout=COMPILE_SECONDS, cwd=scratch
            )
            if done.returncode:
                lines = done.stderr.strip().splitlines() or ["no message"]
                line = next((one for one in lines if "error" in one), lines[0])
                raise Unavailable(f"{compiler[0]} cannot compile the kernels: {line}")
        # At once, so that two runs cannot meet half a file.
        Path(scratch, target.name).replace(target)


def _processor() -> str:
    """What -march=native depends on: the processor's kind and its instructions."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    kept = ("model name", "flags", "Features", "CPU part")
    return "\n".join(dict.fromkeys(line for line in lines if line.startswith(kept)))
