"""Services that a stage without labels asks, on loopback: an anchor that writes rubrics, and judges."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable

import torch

from cohort.data.packing import Family, Member, pack
from cohort.policy.policy import Policy
from tests.rewards.services.fault_server import chat, response

CRITERIA = 5
Reply = Callable[[bytes], bytes]


def share_of(*parts: object) -> float:
    """A number in [0, 1) that depends on these alone."""
    return int(hashlib.sha256(repr(parts).encode()).hexdigest()[:12], 16) / 16**12


def anchor(malformed_share: float = 0.0) -> Reply:
    """Writes a reference about answers, and a rubric about a reference, seldom a malformed one."""

    def reply(body: bytes) -> bytes:
        asked = json.loads(body)["messages"][0]["content"]
        if "<rubric>" not in asked:
            return chat(f"<answer>{len(asked)}</answer>")
        if share_of("malformed", asked) < malformed_share:
            return chat("<rubric><criterion>&bomb;</criterion></rubric>")
        items = "".join(
            f"<criterion>Number {n} of {len(asked)}</criterion>" for n in range(CRITERIA)
        )
        return chat(f"<rubric>{items}</rubric>")

    return reply


def shown_to(body: bytes) -> dict[str, str]:
    """The criterion and the answer that a judge is asked about."""
    block = json.loads(body)["messages"][-1]["content"].split("\n")[1]
    found: dict[str, str] = json.loads(block)
    return found


def verdict(body: bytes, met: bool) -> bytes:
    """A judge's reply."""
    nonce = re.findall("<data-([0-9a-f]{32})>", body.decode())[0]
    return chat(json.dumps({"nonce": nonce, "verdict": "pass" if met else "fail"}))


def is_met(criterion: str, answer: str) -> bool:
    """What the scripted judge thinks."""
    return share_of("met", criterion, answer) < 0.5


def scripted_judge(body: bytes) -> bytes:
    """A judge whose verdicts follow from criterion and answer alone."""
    return verdict(body, is_met(**shown_to(body)))


def local_judge(policy: Policy) -> Reply:
    """A small model as the judge: met where one of its tokens is likelier after the text than another."""

    def reply(body: bytes) -> bytes:
        shown = shown_to(body)
        text = policy.seen_tokens(f"{shown['criterion']}{shown['answer']}")[-32:]
        with torch.no_grad():
            members = [policy.seen_tokens(word)[:1] for word in ("1", "0")]
            said = [policy.logprobs(pack([Family(text, (Member(m, 0),))]))[0] for m in members]
        return verdict(body, bool(said[0].sum() > said[1].sum()))

    return reply


def failing(judge: Reply, part: float, *, for_good: bool) -> Reply:
    """A service of which this part of all calls fails; for good, or until asked again often enough."""
    attempts: Counter[bytes] = Counter()

    def reply(body: bytes) -> bytes:
        number = 0 if for_good else attempts[body]
        attempts[body] += 1
        if share_of("fails", body, number) < part:
            return response(b"", "500 Internal Server Error")
        return judge(body)

    return reply
