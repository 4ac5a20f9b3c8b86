"""Learning from a teacher on the student's own answers.

Either the teacher's opinion of the sampled token is an advantage, or the whole distributions are
compared; the second needs the logits of both and has no sampling noise.

    T sampled tokens, V tokens of the vocabulary.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def mopd_advantages(
    logprobs: Float[Tensor, "T"],
    teacher: Float[Tensor, "T"],
    outcome: Float[Tensor, "T"],
    *,
    alpha: float,
) -> Float[Tensor, "T"]:
    """The teacher's view of each token, and the outcome's: A = sg(log(pi_T / pi)) + alpha A_outcome.

    Multi-teacher on-policy distillation, MiMo-V2-Flash (arXiv:2601.02780). Its policy gradient is,
    with alpha 0, that of -KL(pi || pi_T). `logprobs` are detached.
    """
    return (teacher - logprobs).detach() + alpha * outcome.detach()


def reverse_kl(
    student_logits: Float[Tensor, "T V"], teacher_logits: Float[Tensor, "T V"]
) -> Float[Tensor, "T"]:
    """KL from the student to the teacher over the whole vocabulary, as a loss.

        L = sum_v pi_v (log pi_v - log pi_T,v)

    On-policy distillation, DeepSeek-V4 (arXiv:2606.19348). Its gradient with respect to the logits
    is pi (log(pi / pi_T) - KL). Nothing flows into the teacher. A token that the student's mask
    forbids (a logit of -inf) adds nothing; one that only the teacher's forbids is infinitely far.
    """
    student = torch.log_softmax(student_logits, dim=-1)
    teacher = torch.log_softmax(teacher_logits.detach(), dim=-1)
    gap = (student - teacher).masked_fill(student == -torch.inf, 0.0)
    return (student.exp() * gap).sum(-1)
