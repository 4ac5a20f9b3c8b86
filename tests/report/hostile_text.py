"""250 strings that would be commands to a browser, if anything took them for markup or code."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cohort.data.records import Episode, Group, Problem, Rollout, Score, Turn
from cohort.data.store import Answer, Store
from cohort.report.statistics import summarize_evaluation

_PAYLOADS = (
    "<script>X</script>",
    "<img src=x onerror=X>",
    "<svg onload=X>",
    "<svg><script>X</script></svg>",
    "<iframe srcdoc='<script>parent.X</script>'></iframe>",
    "<iframe src=javascript:X></iframe>",
    "<a href=javascript:X id=bait>x</a>",
    "<body onload=X>",
    "<details open ontoggle=X>x</details>",
    "<input autofocus onfocus=X>",
    "<video><source onerror=X></video>",
    "<object data='data:text/html,<script>X</script>'></object>",
    "<embed src=javascript:X>",
    "<base href=//evil.example/>",
    "<meta http-equiv=refresh content='0;url=javascript:X'>",
    "<form><button formaction=javascript:X>x</button></form>",
    "<math><mtext></table><mglyph><style><img src onerror=X>",
    "<style>@import 'http://evil.example/';*{display:none}</style>",
    "<link rel=stylesheet href=http://evil.example/>",
    "<marquee onstart=X>x</marquee>",
    "<select autofocus onfocus=X></select>",
    "{{constructor.constructor('X')()}}",
    "${X}`;X;//",
    "javascript:X//",
    "<template><script>X</script></template><p style=animation-name:x onanimationstart=X>",
)
_AROUND = (
    "{}", '">{}', "'>{}", "--><!-- -->{}", "]]>{}", "</script>{}", "</title></style></textarea>{}",
    "</pre>{}\x00\x1b[31m", "&lt;b&gt;&#60;{}", "\u202e{}\u2028\ufeff",
)  # fmt: skip

STRINGS = tuple(
    around.replace("{}", payload.replace("X", f"(window.done=(window.done||0)+1,alert({place}))"))
    for place, payload in enumerate(_PAYLOADS)
    for around in _AROUND
)
"""Each would count itself in `window.done` and open a dialog."""

GROUP = 10


def write_hostile_run(folder: Path) -> Path:
    """A run with every string as a prompt, a problem, an answer, a reward's name and reason, a metric."""
    folder.mkdir(parents=True)
    store = Store(folder / "run.db")
    for name, value in {"status": STRINGS[0], "recipe": STRINGS[1], "model": STRINGS[2]}.items():
        store.set_fact(name, value)
    store.begin_stage(0, name=STRINGS[3], kind="reinforce", steps=2)
    values = {name: float(i) for i, name in enumerate(STRINGS)} | {"reward": 0.5}
    values |= {f"rewards/{name}/mean": 0.5 for name in STRINGS[::5]}
    starts = range(0, len(STRINGS), GROUP)
    groups = [_group(STRINGS[start : start + GROUP]) for start in starts]
    store.write_step(0, 1, seconds=1.0, metrics=values, groups=groups)
    for text in STRINGS:
        store.event(text if text.startswith("<img") else "warning", text, stage=0, step=1)
    said = [Answer(text, s, text, text, 1.0, True) for text in STRINGS[::10] for s in (0, 1)]
    summary = summarize_evaluation(said, samples=1)
    for after in STRINGS[:2]:
        store.write_evaluation(0, after=after, summary=summary, answers=said)
    store.close()
    (folder / "recipe.toml").write_text(
        "\n".join(f"a{i} = {_quoted(text)}" for i, text in enumerate(STRINGS)), encoding="utf-8"
    )
    return folder


def _quoted(text: str) -> str:
    """A TOML string of it; TOML has no escape for what it forbids, so that goes."""
    kept = "".join(c for c in text if c >= " ")
    return '"' + kept.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _group(texts: tuple[str, ...]) -> Group:
    rollouts, scores = [], []
    for place, text in enumerate(texts):
        turns = (Turn(2, 1, text, text, 0.5, (text,)), Turn(1, 0, text))
        episode = Episode(
            turns, {"cost": place, text: text}, ("failed", text) if place == 1 else None
        )
        own = episode if place % 2 else None
        ids = np.arange(4, dtype=np.int32)
        logprobs = np.full(3 if own else 4, -1.0, np.float32)
        rollouts.append(Rollout(ids, logprobs, "end", text, episode=own))
        parts = {text: 1.0, f"{text}2": None}
        scores.append(Score(float(place), parts, unsaid={f"{text}2": (text, text)}))
    problem = Problem(texts[0], texts[1], {texts[2]: texts[3]})
    advantages = tuple(place - 4.5 for place in range(len(texts)))
    return Group(
        problem,
        np.arange(2, dtype=np.int32),
        tuple(rollouts),
        tuple(scores),
        advantages,
        discarded=texts[4],
    )
