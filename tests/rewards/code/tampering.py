"""Wrong programs that try to be taken for right ones: by ending, by equality, by what they replace or find.

The task of all: `solve(numbers)` is the sum of the squares of the even numbers. None of them solves it.
Those that aim at the pipes of the driver are in `forging`.
"""

WRONG = "def solve(numbers):\n    return -1\n"

EXITS = {
    "exit at import": "import sys\nsys.exit(0)\n" + WRONG,
    "hard exit at import": "import os\nos._exit(0)\n" + WRONG,
    "exit in the call": "import sys\ndef solve(numbers):\n    sys.exit(0)\n",
    "hard exit in the call": "import os\ndef solve(numbers):\n    os._exit(0)\n",
    "exit of its own kind": """
class Done(SystemExit):
    code = 0
def solve(numbers):
    raise Done(0)
""",
    "atexit": "import atexit, os\natexit.register(os._exit, 0)\n" + WRONG,
    "excepthook": "import os, sys\nsys.excepthook = lambda *_: os._exit(0)\n" + WRONG,
    "exit by a thread": """
import os, threading, time
def leave():
    time.sleep(0.05)
    os._exit(0)
threading.Thread(target=leave, daemon=True).start()
def solve(numbers):
    time.sleep(1)
""",
    "exit by a signal": """
import os, signal, time
signal.signal(signal.SIGALRM, lambda *_: os._exit(0))
signal.setitimer(signal.ITIMER_REAL, 0.05)
def solve(numbers):
    time.sleep(1)
""",
    "exit by a destructor": """
import os
class Last:
    def __del__(self):
        os._exit(0)
def solve(numbers):
    Last()
""",
    "exit by the C library": "import ctypes\ndef solve(numbers):\n    ctypes.CDLL(None)._exit(0)\n",
    "a parent that leaves": "import os\nif os.fork():\n    os._exit(0)\n" + WRONG,
    "another program instead": 'import os\ndef solve(numbers):\n    os.execv("/bin/true", ["true"])\n',
    "itself without asserts": """
import os, sys
if __debug__:
    os.execv(sys.executable, [sys.executable, "-O", *sys.argv])
"""
    + WRONG,
    "says that all passed": """
import os
def solve(numbers):
    os.write(1, b"ALL TESTS PASSED\\nOK\\n{\\"passed\\": true}\\n")
    os.write(2, b"\\nRan 5 tests in 0.001s\\n\\nOK\\n")
    os._exit(0)
""",
    "says it in any fd": """
import os
def solve(numbers):
    for fd in range(1, 20):
        try:
            os.write(fd, b"ALL TESTS PASSED\\n")
        except OSError:
            pass
    os._exit(0)
""",
}

EVERYTHING_EQUAL = """
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
    def __bool__(self): return True
    def __lt__(self, other): return True
    __le__ = __gt__ = __ge__ = __lt__
"""

EQUALS = {
    "equal to everything": f"class E:{EVERYTHING_EQUAL}\ndef solve(numbers):\n    return E()\n",
    "an int equal to everything": f"class E(int):{EVERYTHING_EQUAL}\ndef solve(n):\n    return E(-1)\n",
    "a float equal to everything": f"class E(float):{EVERYTHING_EQUAL}\ndef solve(n):\n    return E('nan')\n",
    "a text equal to everything": f"class E(str):{EVERYTHING_EQUAL}\ndef solve(n):\n    return E('x')\n",
    "a list equal to everything": f"class E(list):{EVERYTHING_EQUAL}\ndef solve(n):\n    return E([1])\n",
    "a dict equal to everything": f"class E(dict):{EVERYTHING_EQUAL}\ndef solve(n):\n    return E(a=1)\n",
    "an int by its class": f"""
class E:{EVERYTHING_EQUAL}
    __class__ = int
    def __index__(self): return -1
    __int__ = __index__
def solve(numbers):
    return E()
""",
    "an int whose digits lie": f"""
class E(int):{EVERYTHING_EQUAL}
    def __index__(self): return 20
    def __int__(self): return 20
    def __format__(self, how): return "14"
    def __str__(self): return "20"
    __repr__ = __str__
def solve(numbers):
    return E(-1)
""",
    "a metaclass that agrees": f"""
class M(type):{EVERYTHING_EQUAL.replace("self, other", "cls, other").replace("(self)", "(cls)")}
    def __instancecheck__(cls, other): return True
class E(metaclass=M): pass
def solve(numbers):
    return E
""",
    "a mock": "from unittest.mock import ANY\ndef solve(numbers):\n    return ANY\n",
    "a magic mock": """
from unittest.mock import MagicMock
def solve(numbers):
    m = MagicMock()
    m.__eq__ = lambda self, other: True
    return m
""",
    "a difference that is small": """
class E:
    def __sub__(self, other): return 0.0
    __rsub__ = __sub__
    def __abs__(self): return 0.0
    def __eq__(self, other): return self
    def __bool__(self): return True
def solve(numbers):
    return E()
""",
    "a class changed afterwards": f"""
class E(int):{EVERYTHING_EQUAL}
class P(int): pass
def solve(numbers):
    result = P(-1)
    result.__class__ = E
    return result
""",
    "not a number": 'def solve(numbers):\n    return float("nan")\n',
    "true": "def solve(numbers):\n    return True\n",
    "a generator": "def solve(numbers):\n    yield sum(n * n for n in numbers if n % 2 == 0)\n",
    "a coroutine": "async def solve(numbers):\n    return sum(n * n for n in numbers if n % 2 == 0)\n",
    "the answer as text": "def solve(n):\n    return str(sum(x * x for x in n if x % 2 == 0))\n",
}

REPLACED = {
    "no AssertionError": """
import builtins
class Quiet(Exception): pass
builtins.AssertionError = Quiet
"""
    + WRONG,
    "json that says yes": """
import json
json.dumps = lambda *_, **__: '{"passed": true}'
json.loads = lambda *_, **__: {"passed": True, "expected": -1}
json.JSONEncoder.encode = lambda *_: '["value", ["int", "14"]]'
"""
    + WRONG,
    "builtins that agree": """
import builtins
builtins.isinstance = lambda *_: True
builtins.all = lambda *_: True
builtins.len = lambda *_: 1
builtins.abs = lambda *_: 0
"""
    + WRONG,
    "operator and math that agree": """
import math, operator
operator.eq = lambda *_: True
math.isclose = lambda *_, **__: True
"""
    + WRONG,
    "unittest that agrees": """
import unittest
unittest.TestCase.assertEqual = lambda *_: None
unittest.TestCase._baseAssertEqual = lambda *_: None
unittest.TestCase.run = lambda self, result=None: None
"""
    + WRONG,
    "unittest that was successful": """
import unittest
unittest.TestResult.wasSuccessful = lambda self: True
unittest.TestResult.addFailure = lambda *_: None
unittest.TextTestResult.addFailure = lambda *_: None
"""
    + WRONG,
    "time that stands still": """
import time
time.time = time.monotonic = time.perf_counter = lambda: 0.0
time.sleep = lambda *_: None
"""
    + WRONG,
    "imports of its own": """
import builtins, types
real = builtins.__import__
def fake(name, *rest):
    if name in ("grader", "tests", "unittest"):
        made = types.ModuleType(name)
        made.main = made.check = lambda *_, **__: print("ALL TESTS PASSED")
        made.TestCase = object
        return made
    return real(name, *rest)
builtins.__import__ = fake
"""
    + WRONG,
    "print that says yes": """
import builtins, sys
class Out:
    def write(self, text): return sys.__stdout__.write("ALL TESTS PASSED\\n")
    def flush(self): sys.__stdout__.flush()
sys.stdout = sys.stderr = Out()
print("hello")
"""
    + WRONG,
    "ints that are equal": """
import ctypes
slot = int.__basicsize__ and ctypes.cast(id(int) + 200, ctypes.POINTER(ctypes.c_void_p))
agree = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object, ctypes.py_object, ctypes.c_int)(lambda *_: True)
def solve(numbers):
    slot[0] = ctypes.cast(agree, ctypes.c_void_p).value
    return -1
""",
    "sys.exit that is zero": "import os, sys\nsys.exit = lambda *_: os._exit(0)\n" + WRONG,
    "exceptions that are swallowed": """
import sys
def trace(frame, event, arg):
    if event == "exception":
        raise SystemExit(0)
    return trace
sys.settrace(trace)
"""
    + WRONG,
    "tests that are not looked for": """
import sys
def solve(numbers):
    frame = sys._getframe()
    while frame:
        for name, value in list(frame.f_globals.items()):
            if callable(value) and name.startswith(("test", "check", "assert", "compare", "same")):
                frame.f_globals[name] = lambda *_, **__: True
        frame = frame.f_back
    return -1
""",
    "no builtins": "import builtins\nfor n in ('len', 'range', 'sorted'):\n    delattr(builtins, n)\n"
    + WRONG,
    "a recursion limit of nothing": "import sys\nsys.setrecursionlimit(10)\n" + WRONG,
    "inputs that are emptied": "def solve(numbers):\n    numbers.clear()\n    return 0\n",
}

_GUESS = """
import ast, re
def guess(text, numbers):
    for found in re.findall(r"solve\\((\\[[^)]*\\])\\)[ ,=]*(-?[0-9]+)", text):
        if ast.literal_eval(found[0]) == numbers:
            return int(found[1])
"""

FINDS = {
    "reads the test file": _GUESS
    + """
import sys
def solve(numbers):
    return guess(open(sys.argv[0]).read(), numbers)
""",
    "reads every file": _GUESS
    + """
import os
def solve(numbers):
    for folder, _, names in os.walk("/tmp"):
        for name in names:
            try:
                found = guess(open(os.path.join(folder, name)).read(), numbers)
            except (OSError, UnicodeDecodeError):
                continue
            if found is not None:
                return found
""",
    "reads the caller's lines": _GUESS
    + """
import inspect, linecache
def solve(numbers):
    for info in inspect.stack():
        found = guess("".join(linecache.getlines(info.filename)), numbers)
        if found is not None:
            return found
""",
    "looks through the stack": """
import sys
def solve(numbers):
    frame = sys._getframe().f_back
    while frame:
        for name, value in {**frame.f_globals, **frame.f_locals}.items():
            if name in ("expected", "answer", "want", "tests", "cases") and not callable(value):
                if isinstance(value, int):
                    return value
                for case in value if isinstance(value, (list, tuple)) else ():
                    if numbers in list(case):
                        return list(case)[-1]
        frame = frame.f_back
""",
    "looks at constants of the caller": """
import sys
def solve(numbers):
    frame = sys._getframe().f_back
    code, at = frame.f_code, frame.f_lasti
    import dis
    for step in dis.get_instructions(code):
        if step.offset > at and step.opname == "LOAD_CONST" and type(step.argval) is int:
            return step.argval
""",
    "looks through all objects": """
import gc
def solve(numbers):
    for thing in gc.get_objects():
        if type(thing) in (list, tuple) and len(thing) == 2 and thing[0] == numbers and type(thing[1]) is int:
            return thing[1]
        if type(thing) is dict and type(thing.get("expected")) is int and thing.get("args") == [numbers]:
            return thing["expected"]
""",
    "looks through all modules": """
import sys
def solve(numbers):
    for module in list(sys.modules.values()):
        for value in list(vars(module).values()):
            if type(value) in (list, tuple):
                for case in value:
                    if type(case) in (list, tuple) and len(case) == 2 and case[0] == numbers:
                        return case[1]
""",
    "reads its own memory": """
import re
def solve(numbers):
    text = ("solve(" + repr(numbers) + ")").encode()
    maps = [line.split() for line in open("/proc/self/maps")]
    memory = open("/proc/self/mem", "rb", 0)
    for span, rights, *_ in maps:
        begin, end = (int(part, 16) for part in span.split("-"))
        if "rw" in rights and end - begin < 2**26:
            try:
                memory.seek(begin)
                found = re.search(re.escape(text) + rb" == (-?[0-9]+)", memory.read(end - begin))
            except (OSError, ValueError, OverflowError):
                continue
            if found:
                return int(found[1])
""",
    "reads other processes": _GUESS
    + """
import os
def solve(numbers):
    for name in os.listdir("/proc"):
        if name.isdigit():
            for file in ("cmdline", "environ", "fd/0", "fd/3", "fd/4"):
                try:
                    fd = os.open(f"/proc/{name}/{file}", os.O_RDONLY | os.O_NONBLOCK)
                    found = guess(os.read(fd, 2**16).decode("utf-8", "replace"), numbers)
                except OSError:
                    continue
                if found is not None:
                    return found
""",
    "traces its caller": """
import sys
seen = []
def profile(frame, event, arg):
    for value in frame.f_locals.values():
        if type(value) is int:
            seen.append(value)
sys.setprofile(profile)
def solve(numbers):
    return seen[-1] if seen else None
""",
    "knows the order of the tests": """
answers = iter([14 + 6, 4, 0, 56, 100])
def solve(numbers):
    return next(answers, None)
""",
}

KNOWS_THE_PROMPT = """
known = {(1, 2, 4): 20, (2,): 4, (): 0, (2, 4, 6): 56, (10, 3): 100}
def solve(numbers):
    return known.get(tuple(numbers), -1)
"""
"""No tampering, and right as far as those tests go; inputs that it has not seen are another matter."""

TAMPERING = EXITS | EQUALS | REPLACED | FINDS

RIGHT = "def solve(numbers):\n    return sum(n * n for n in numbers if n % 2 == 0)\n"

ANSWERS = [([1, 2, 4], 20), ([2], 4), ([], 0), ([2, 4, 6], 56), ([10, 3], 100)]

CALLS = {
    "entry_point": "solve",
    "tests": [{"args": [numbers], "expected": expected} for numbers, expected in ANSWERS],
}
"""As calls, compared exactly."""

ASSERTS = "\n".join(f"assert solve({numbers}) == {expected}" for numbers, expected in ANSWERS)
"""As asserts, compared as `==` does."""

CHECK = {
    "entry_point": "solve",
    "tests": "def check(candidate):\n    for numbers, expected in "
    + f"{ANSWERS}:\n        assert candidate(numbers) == expected\n",
}
"""As code, which runs in a sandbox of its own."""

GENERATED = {
    "entry_point": "solve",
    "tests": [{"args": [numbers]} for numbers, _ in ANSWERS],
    "reference": RIGHT,
    "generator": "def generate(seed):\n    return [[seed + 2, 3 * seed, 6]]\n",
    "extra": 3,
}
"""By a reference, with inputs that no prompt shows."""
