"""What a stranger's tokenizer and template may do to a run: nothing but take a bounded while.

Both are used in a child process first (`policy.confined`). A template is rendered nowhere else, for
every prompt: a template can behave for one chat and not for the next.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cohort.errors import ModelError
from cohort.policy import confined
from cohort.policy.plain_json import shown

CHILD = [sys.executable, "-P", "-B", confined.__file__]
FIX = "correct the chat template, or use text prompts"


class Chats:
    """Chats as text, by a tokenizer's own template; the child begins with the first of them."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._child: subprocess.Popen[str] | None = None
        self._turn = threading.Lock()

    def text(
        self,
        messages: Sequence[Mapping[str, Any]],
        of: str,
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> str:
        """What the template makes of a chat; `of` names it in a refusal. From any thread.

        Raises ModelError where the template refuses, does not end, or grows beyond its bounds.
        """
        request = {
            "template": self.template(bool(tools)),
            "messages": [dict(message) for message in messages],
            "variables": self._tokenizer.special_tokens_map,
            "tools": [dict(tool) for tool in tools] or None,
        }
        with self._turn:
            answer = self._ask(request)
        if "text" not in answer:
            raise ModelError(
                f"the chat template does not render {of}: {shown(answer['error'], 200)}", FIX
            )
        return str(answer["text"])

    def template(self, with_tools: bool = False) -> str:
        """The template of chats, or that of chats with tools where the tokenizer has one of its own."""
        template = self._tokenizer.chat_template
        if isinstance(template, dict):
            usual = template.get("default")
            template = template.get("tool_use", usual) if with_tools else usual
        if not isinstance(template, str):
            raise ModelError(f"the chat template is {shown(template)}, not a text", FIX)
        return template

    def _ask(self, request: dict[str, Any]) -> dict[str, str]:
        child, self._child = self._child or self._begin(), None  # an interrupt leaves no old answer
        assert child.stdin is not None, child.args
        assert child.stdout is not None, child.args
        try:
            print(json.dumps(request), file=child.stdin, flush=True)
            line = child.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            _end(child)
            return {"error": f"it needs more than {confined.CHAT_SECONDS:g} s, or too much memory"}
        self._child = child
        return dict(json.loads(line))

    def _begin(self) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            [*CHILD, "chats"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        weakref.finalize(self, _end, child)
        return child


def try_tokenizer(file: Path) -> None:
    """Load and use a tokenizer.json where nothing can happen. Raises ModelError if it fails."""
    done = subprocess.run(
        [*CHILD, "tokenizer", str(file)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False,
        env={**os.environ, "TOKENIZERS_PARALLELISM": "false", "RAYON_NUM_THREADS": "1"},
    )  # fmt: skip
    reason = "its library fails on it, or needs too much time or memory"
    if done.returncode == 0:
        answer = json.loads(done.stdout)
        reason = answer.get("error", answer.get("text", ""))
    if reason:
        raise ModelError(
            f"{file} makes no tokenizer: {shown(reason, 200)}",
            "use the tokenizer files that belong to the model",
        )


def _end(child: subprocess.Popen[str]) -> None:
    child.kill()
    for pipe in (child.stdin, child.stdout):
        assert pipe is not None, child.args
        with contextlib.suppress(BrokenPipeError):  # what it did not read any more
            pipe.close()
    child.wait()
