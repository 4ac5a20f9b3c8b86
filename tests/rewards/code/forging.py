"""Wrong programs that play the driver: they find its pipes and say there what it would say, or worse.

The same task as in `tampering`. Each knows this protocol by heart and gets at everything in its process.
"""

_PIPES = """
import json, os, sys, threading
def say(text):
    for fd in range(3, 16):
        try:
            os.write(fd, text if isinstance(text, bytes) else text.encode() + b"\\n")
        except OSError:
            pass
def number():
    frame = sys._getframe()
    while frame:
        if "line" in frame.f_locals and "questions" in frame.f_locals:
            return json.loads(frame.f_locals["line"])[0]
        frame = frame.f_back
    return "0" * 32
"""

_SAID = {
    "an answer of another number": """json.dumps(["f" * 32, "value", ["int", "14"]])""",
    "an answer with a number of Python": """json.dumps([number(), "value", 20])""",
    "a verdict": """json.dumps([number(), "passed", True])""",
    "done": """json.dumps([number(), "done"])""",
    "an opaque that is true": """json.dumps([number(), "value", ["opaque", "int", True]])""",
    "an opaque that is equal": """json.dumps([number(), "value", ["opaque", "Equal", "14"]])""",
    "a subclass of a subclass": """json.dumps([number(), "value", ["sub", "A", ["sub", "B", []]]])""",
    "a subclass of nothing": """json.dumps([number(), "value", ["sub", "int", []]])""",
    "digits that are none": """json.dumps([number(), "value", ["int", "0x14 "]])""",
    "digits of another script": """json.dumps([number(), "value", ["int", "\\u0661\\u0664"]])""",
    "a text for a truth": """json.dumps([number(), "value", ["bool", "true"]])""",
    "an object": """json.dumps({"number": number(), "value": 20, "passed": True})""",
    "keys that come twice": """'["' + number() + '","value",{"int":"1","int":"14"}]'""",
    "NaN": """'["' + number() + '","value",NaN]'""",
    "infinity": """'["' + number() + '","value",["float",Infinity]]'""",
    "bytes that are no text": """b'["' + number().encode() + b'","value",["str","\\xff\\xfe"]]\\n'""",
    "half a surrogate": """'["' + number() + '","value",["str","' + chr(92) + 'ud800"]]'""",
    "a million brackets": """"[" * 1000000""",
    "brackets that close": """"[" * 100000 + "]" * 100000""",
    "a node too deep": """'["' + number() + '","value",' + '["list",[' * 300 + ']]' * 300 + ']'""",
    "a million digits": """'["' + number() + '","value",["int","' + "9" * 1000000 + '"]]'""",
    "a line without an end": """b"x" * (5 * 2**20)""",
    "nothing but ends": """b"\\n" * 1000""",
    "half of a line": """('["' + number()).encode()""",
    "zeros": """b"\\0" * 1000 + b"\\n" """,
    "a call of the check": """json.dumps(["call", "solve", ["list", []], ["dict", []]])""",
    "that a check passed": """json.dumps(["passed"])""",
}

FORGING = {
    f"says {name}": f"{_PIPES}\ndef solve(numbers):\n    say({said})\n    os._exit(0)\n"
    for name, said in _SAID.items()
} | {
    "answers before it is asked": f"""{_PIPES}
say(json.dumps(["0" * 32, "done"]))
for n in range(5):
    say(json.dumps(["0" * 32, "value", ["int", "14"]]))
def solve(numbers):
    return -1
""",
    "answers twice": f"""{_PIPES}
def solve(numbers):
    say(json.dumps([number(), "value", ["int", "0"]]))
    say(json.dumps([number(), "value", ["int", "14"]]))
    return -1
""",
    "answers from a thread": f"""{_PIPES}
def flood():
    for n in range(200):
        say(json.dumps(["0" * 32, "value", ["int", format(n, "x")]]))
threading.Thread(target=flood, daemon=True).start()
def solve(numbers):
    return -1
""",
    "answers at exit": f"""{_PIPES}
import atexit
atexit.register(say, json.dumps(["0" * 32, "value", ["int", "14"]]))
def solve(numbers):
    sys.exit(0)
""",
    "plays the driver": f"""{_PIPES}
def solve(numbers):
    asked = number()
    for n in (20, 4, 0, 56, 100):
        say(json.dumps([asked, "value", ["int", format(n, "x")]]))
    for line in os.fdopen(3, "rb"):
        say(json.dumps([json.loads(line)[0], "value", ["int", "14"]]))
""",
    "replays a number": f"""{_PIPES}
first = []
def solve(numbers):
    first.append(number())
    say(json.dumps([first[0], "value", ["int", "14"]]))
    os._exit(0) if len(first) > 1 else None
    return -1
""",
    "speaks slowly": f"""{_PIPES}
import time
def solve(numbers):
    while True:
        say(b'["')
        time.sleep(0.01)
""",
    "closes the pipes": "import os\ndef solve(numbers):\n    os.closerange(0, 64)\n    return 14\n",
    "takes the pipe away": """
import os
def solve(numbers):
    for fd in range(3, 16):
        try:
            os.dup2(1, fd)
        except OSError:
            pass
    return 14
""",
    "replaces the encoder": """
import sys
def solve(numbers):
    sys.modules["wire"].encode = lambda value: ["int", "14"]
    return -1
""",
    "replaces the driver": """
import sys
def solve(numbers):
    sys.modules["__main__"].answer = lambda *_: ["value", ["int", "14"]]
    return -1
""",
    "replaces the driver's code": """
import sys
def solve(numbers):
    driver = sys.modules["__main__"].answer
    driver.__code__ = (lambda wired, kind, *given: ["value", ["int", "14"]]).__code__
    return -1
""",
    "changes what the driver holds": """
import sys
def trace(frame, event, arg):
    if frame.f_code.co_name in ("answer", "serve") and event == "return":
        frame.f_locals["said"] = frame.f_locals["line"] = ["value", ["int", "14"]]
    return trace
def solve(numbers):
    sys.settrace(trace)
    frame = sys._getframe()
    while frame:
        frame.f_trace = trace
        frame = frame.f_back
    return -1
""",
    "leaves files of results": """
import os
for name in ("result.json", "verdict.json", "report.xml", "passed", "stdout", "test_results.txt"):
    open(name, "w").write('{"passed": true, "score": 1.0, "total": 5}')
def solve(numbers):
    return -1
""",
    "leaves modules behind": """
for name in ("json.py", "wire.py", "unittest.py", "sitecustomize.py", "conftest.py", "checker.py"):
    open(name, "w").write("import os\\nos._exit(0)\\n")
import os
def solve(numbers):
    os._exit(0)
""",
    "sets that collide": """
def solve(numbers):
    return {n * (2**61 - 1) for n in range(20000)}
""",
    "a million lists": "def solve(numbers):\n    return [[] for _ in range(1000000)]\n",
    "lists of lists of lists": """
def solve(numbers):
    value = []
    for _ in range(60):
        value = [value] * 10
    return value
""",
    "a list in itself": "def solve(numbers):\n    value = []\n    value.append(value)\n    return value\n",
    "an int without end": "def solve(numbers):\n    return 1 << (2**27)\n",
    "a name that looks the same": """
def s\u043elve(numbers):
    return sum(n * n for n in numbers if n % 2 == 0)
""",
    "a name that is nothing": "solve = 20\n",
    "an int whose kinds lie": """
class K(type(int)):
    mro = lambda cls: [cls, int, object]
class E(int, metaclass=K):
    __mro__ = (int,)
    def __eq__(self, other): return True
E.__name__ = "int"
def solve(numbers):
    return E(-1)
""",
}
