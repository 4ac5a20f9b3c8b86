"""Six chat templates in the styles that models have, written for tests, and tokenizers to go with them.

The tokenizers are small ones of the kinds that those models have: byte-level, or of pieces with bytes for
the rest, with or without a space before what they read, end tokens that swallow the line's end.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, trainers
from tokenizers import pre_tokenizers as before
from transformers import PreTrainedTokenizerFast

from cohort.policy.bounded import Chats

CHATML = """
{%- if tools or messages[0].role == 'system' %}<|im_start|>system
{% if messages[0].role == 'system' %}{{ messages[0].content }}{% endif %}
{%- if tools %}
You may call these functions:
<tools>
{% for tool in tools %}{{ tool | tojson }}
{% endfor %}</tools>
Write a call as <tool_call>{"name": ..., "arguments": ...}</tool_call>
{%- endif %}<|im_end|>
{% endif %}
{%- for message in messages %}
{%- if message.role == 'tool' %}<|im_start|>user
<tool_response>
{{ message.content }}
</tool_response><|im_end|>
{% elif message.role == 'assistant' and message.tool_calls %}<|im_start|>assistant
{{ message.content }}
{%- for call in message.tool_calls %}
<tool_call>
{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}
</tool_call>
{%- endfor %}<|im_end|>
{% elif message.role != 'system' or not loop.first %}<|im_start|>{{ message.role }}
{{ message.content }}<|im_end|>
{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""

LLAMA3 = """{{ bos_token }}
{%- if tools %}<|start_header_id|>system<|end_header_id|>

Environment: ipython
Answer with {"name": function, "parameters": values} to call one of these:
{% for tool in tools %}{{ tool | tojson(indent=1) }}
{% endfor %}<|eot_id|>
{%- endif %}
{%- for message in messages %}
{%- if message.role == 'assistant' and message.tool_calls %}
{%- if message.tool_calls | length != 1 %}{{ raise_exception('one call at a time') }}{% endif %}
{%- set call = message.tool_calls[0].function %}<|start_header_id|>assistant<|end_header_id|>

{"name": "{{ call.name }}", "parameters": {{ call.arguments | tojson }}}<|eot_id|>
{%- else %}<|start_header_id|>
{{- 'ipython' if message.role == 'tool' else message.role }}<|end_header_id|>

{{ message.content | trim }}<|eot_id|>
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>

{% endif %}"""

MISTRAL = """{{ bos_token }}
{%- set asked = messages | selectattr('role', 'equalto', 'user') | list | length %}
{%- set turn = namespace(users=0, expected='user') %}
{%- for message in messages %}
{%- if message.role == 'user' or (message.role == 'assistant' and not message.tool_calls) %}
{%- if message.role != turn.expected %}{{ raise_exception('user and assistant take turns') }}{% endif %}
{%- set turn.expected = 'assistant' if message.role == 'user' else 'user' %}
{%- endif %}
{%- if message.role == 'user' %}
{%- set turn.users = turn.users + 1 %}
{%- if tools and turn.users == asked %}[AVAILABLE_TOOLS] {{ tools | tojson }}[/AVAILABLE_TOOLS]{% endif %}
{{- '[INST] ' + message.content + '[/INST]' }}
{%- elif message.role == 'tool' %}
{%- if message.tool_call_id | length != 9 %}{{ raise_exception('ids have nine letters') }}{% endif %}
{{- '[TOOL_RESULTS] {"content": ' + message.content | tojson + ', "call_id": "' }}
{{- message.tool_call_id + '"}[/TOOL_RESULTS]' }}
{%- elif message.tool_calls %}[TOOL_CALLS] [
{%- for call in message.tool_calls %}
{{- '{"name": "' + call.function.name + '", "arguments": ' + call.function.arguments | tojson }}
{{- ', "id": "' + call.id + '"}' + ('' if loop.last else ', ') }}
{%- endfor %}]{{ eos_token }}
{%- else %}{{ message.content + eos_token }}
{%- endif %}
{%- endfor %}"""

GEMMA = """{{ bos_token }}
{%- for message in messages %}
{%- if message.role == 'system' %}{{ raise_exception('there is no system here') }}{% endif %}
{%- set role = {'assistant': 'model', 'tool': 'user'}.get(message.role, message.role) %}
{{- '<start_of_turn>' + role + '\\n' + message.content | trim + '<end_of_turn>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}"""

PHI3 = """
{%- for message in messages %}
{{- '<|' + message.role + '|>\\n' + message.content + '<|end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}"""

THINKING = """
{%- set last = namespace(asked=0) %}
{%- for message in messages %}{% if message.role == 'user' %}{% set last.asked = loop.index0 %}{% endif %}
{%- endfor %}
{%- if tools %}<|im_start|>system
<tools>
{% for tool in tools %}{{ tool | tojson }}
{% endfor %}</tools>
Think, and then write <tool_call>{"name": ..., "arguments": ...}</tool_call><|im_end|>
{% endif %}
{%- for message in messages %}
{%- if message.role == 'assistant' %}
{%- set said = message.content %}
{%- if '</think>' in said and loop.index0 < last.asked %}
{%- set said = said.split('</think>')[-1].lstrip('\\n') %}
{%- endif %}
{{- '<|im_start|>assistant\\n' + said }}
{%- for call in message.tool_calls or [] %}
{{- '\\n<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' }}
{{- call.function.arguments | tojson + '}\\n</tool_call>' }}
{%- endfor %}
{{- '<|im_end|>\\n' }}
{%- elif message.role == 'tool' %}
{{- '<|im_start|>user\\n<tool_response>\\n' + message.content + '\\n</tool_response><|im_end|>\\n' }}
{%- else %}
{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"""

TEXTS = (
    "The answer of the question is a number, and a number is what the tool returned: 12 + 30 = 42.",
    '{"name": "add", "arguments": {"first": 1, "second": 20}} <tool_call> </tool_call> user assistant',
    "What is the weather in Paris, and who asked for it?\n\nThink first; then call a function.\n",
    "def add(first: int, second: int) -> int:\n    return first + second\n",
)
ROLES = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")
TAGS = ("<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>")


@dataclass(frozen=True)
class Style:
    """A template, the tokenizer that goes with it, and what is known of both.

    special: control tokens, the ends of a turn first. tags: added tokens that are not special.
    rewrites: what the template shows otherwise than it was said. form: of calls; "" has none.
    """

    name: str
    template: str
    kind: str
    special: tuple[str, ...]
    tags: tuple[str, ...] = ()
    rewrites: tuple[str, ...] = ()
    form: str = ""
    ends: int = 1
    swallows: bool = False


STYLES = {
    style.name: style
    for style in (
        Style("chatml", CHATML, "bytes", ("<|im_end|>", *ROLES[::2]), TAGS[2:], (), "hermes"),
        Style(
            "llama3", LLAMA3, "bytes",
            ("<|eot_id|>", "<|eom_id|>", "<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>",
             "<|end_header_id|>", "<|python_tag|>"),
            (), ("space around answers",), "llama3", ends=2,
        ),
        Style(
            "mistral", MISTRAL, "first",
            ("</s>", "<s>", "[INST]", "[/INST]", "[TOOL_CALLS]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]",
             "[TOOL_RESULTS]", "[/TOOL_RESULTS]"),
            form="json",
        ),
        Style(
            "gemma", GEMMA, "plain",
            ("<end_of_turn>", "<eos>", "<bos>", "<start_of_turn>"), ("<table>", "\n\n"),
            ("space around answers",), ends=2,
        ),
        Style(
            "phi3", PHI3, "always",
            ("<|end|>", "<|endoftext|>", "<s>", "<|user|>", "<|assistant|>", "<|system|>", "<|tool|>"),
            ends=2, swallows=True,
        ),
        Style("thinking", THINKING, "bytes", ("<|im_end|>", *ROLES[::2]), TAGS, ("thoughts",), "hermes"),
    )
}  # fmt: skip


@functools.cache
def tokenizer_of(name: str) -> Any:
    """The tokenizer of a style, with its template."""
    style = STYLES[name]
    bare = _bytes() if style.kind == "bytes" else _pieces(style.kind)
    bare.add_special_tokens(
        [AddedToken(t, normalized=False, rstrip=style.swallows) for t in style.special]
    )
    bare.add_tokens([AddedToken(tag, normalized=False) for tag in style.tags])
    begins = next((token for token in style.special if "begin" in token or "s>" in token[:5]), None)
    made = PreTrainedTokenizerFast(
        tokenizer_object=bare,
        eos_token=style.special[0],
        pad_token=style.special[-1],
        bos_token="<bos>" if name == "gemma" else begins if name != "mistral" else "<s>",
        clean_up_tokenization_spaces=False,
    )
    made.chat_template = style.template
    return made


@functools.cache
def chats_of(name: str) -> Chats:
    """The renderings of a style's template, by one process."""
    return Chats(tokenizer_of(name))


def ends_of(name: str) -> list[int]:
    """The tokens that end a turn."""
    style = STYLES[name]
    return list(tokenizer_of(name).convert_tokens_to_ids(list(style.special[: style.ends])))


def _bytes() -> Tokenizer:
    """As GPT-2, Qwen and Llama 3 have it: merges of bytes within words."""
    bare = Tokenizer(models.BPE())
    bare.pre_tokenizer = before.ByteLevel(add_prefix_space=False)
    bare.decoder = decoders.ByteLevel()
    alphabet = before.ByteLevel.alphabet()
    bare.train_from_iterator(
        TEXTS, trainers.BpeTrainer(vocab_size=420, initial_alphabet=alphabet, show_progress=False)
    )
    return bare


def _pieces(kind: str) -> Tokenizer:
    """As Llama 2, Mistral and Gemma have it: pieces with a sign for space, and bytes for the rest."""
    learned = Tokenizer(models.BPE())
    learned.normalizer = normalizers.Replace(" ", "\u2581")
    learned.pre_tokenizer = before.Split(Regex("(?<!\u2581)(?=\u2581)|\n+"), "isolated")
    learned.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=300, show_progress=False))
    import json

    state = json.loads(learned.to_str())["model"]
    pieces = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), *state["vocab"], "\u2581"]
    vocabulary = {piece: place for place, piece in enumerate(dict.fromkeys(pieces))}
    merges = [tuple(merge) for merge in state["merges"]]
    bare = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True))
    parts = [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()]
    if kind == "first":
        bare.pre_tokenizer = before.Metaspace("\u2581", prepend_scheme="first", split=False)
    elif kind == "always":
        spaces = normalizers.Replace(" ", "\u2581")
        bare.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), spaces])
    else:
        bare.normalizer = normalizers.Replace(" ", "\u2581")
    bare.decoder = decoders.Sequence(
        parts + ([decoders.Strip(" ", 1, 0)] if kind != "plain" else [])
    )
    return bare
