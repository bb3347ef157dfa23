"""What an examination found, in sentences."""

import math

import numpy as np

from ....printable import shown
from ..advisor import GAMMAS, Advice, rounded
from ..examine import OWN, Examination
from ..functions import CROSS_ENTROPY, FOCAL


def sentences(examination: Examination, advice: Advice) -> list[str]:
    """The findings of one run."""
    found = [_easiest(examination), _who_has_the_gradient(examination), _counts(examination), _classes(examination)]
    return [sentence for sentence in [*found, _hint(advice)] if sentence]


def percent(share: float) -> str:
    """A share in percent, with more digits near 0 and 1; a dash for NaN."""
    if math.isnan(share):
        return "–"
    if 0.9995 <= share < 1:
        return "> 99.9 %"
    if share < 0.00005:
        return "< 0.01 %" if share else "0 %"
    digits = 2 if share < 0.00095 else 1 if share < 0.0995 or 0.995 <= share < 1 else 0
    return f"{100 * share:.{digits}f} %"


def _easiest(examination: Examination) -> str:
    easiest = examination.easiest
    what = "anchor" if examination.xray.is_softmax else "logit"
    found = [(easiest[CROSS_ENTROPY], "cross entropy"), (easiest[FOCAL], "focal loss with γ = 2")]
    if not any(math.isclose(easiest[OWN], share, rel_tol=1e-6) for share, _ in found):
        found.append((easiest[OWN], "its own loss"))
    if not (found := [(share, loss) for share, loss in found if not math.isnan(share)]):
        return f"No background {what} has a loss."
    first, *others = [f"{percent(share)} {{}}under {loss}" for share, loss in found]
    parts = ", and ".join([first.format("of the background's loss "), *(part.format("") for part in others)])
    return f"The easiest 90 % of background {what}s hold {parts}."


def _who_has_the_gradient(examination: Examination) -> str:
    shares = {
        name: examination.shares[name].of_background for name in (CROSS_ENTROPY, OWN) if name in examination.shares
    }
    if CROSS_ENTROPY in shares and np.allclose(shares[CROSS_ENTROPY], shares[OWN], equal_nan=True):
        del shares[CROSS_ENTROPY]
    words = {CROSS_ENTROPY: "cross entropy", OWN: f"its own loss, {examination.own_loss}"}
    known = {k: s for k, s in shares.items() if not np.isnan(s).any()}
    parts = [
        f"{percent(s[0])} of the loss and {percent(s[1])} of the gradient under {words[k]}" for k, s in known.items()
    ]
    found = [f"At this checkpoint background holds {', and '.join(parts)}."] if parts else []
    return " ".join(
        [*found, *(f"Loss or gradient is 0 everywhere under {words[k]}." for k in shares if k not in known)]
    )


def _counts(examination: Examination) -> str:
    foreground, background, ignored = map(int, examination.xray.anchors)
    if not foreground:
        return "No anchor is foreground: check the annotations and the anchors."
    ratio = background / foreground
    return (
        f"Anchors: {foreground} of foreground against {background} of background, 1 to "
        f"{ratio:.{0 if ratio >= 10 else 1}f}, and {ignored} ignored."
    )


def _classes(examination: Examination) -> str:
    objects = examination.xray.objects.sum(1)
    known = np.flatnonzero(objects)
    if len(known) < 2 or objects[known].min() == objects.max():
        return ""
    most, least = int(objects.argmax()), int(known[objects[known].argmin()])
    counts = [f"{shown(examination.class_names[i])} has {objects[i]}" for i in (most, least)]
    return (
        f"Objects by class: {counts[0]} and {counts[1]}. This is another imbalance, which neither focal loss nor one "
        "alpha for all classes corrects."
    )


def _hint(advice: Advice) -> str:
    alphas = {g: a for g, a in zip(GAMMAS, advice.alphas, strict=True) if g in (0.0, 1.0, 2.0) and not math.isnan(a)}
    if not alphas:
        return ""
    pairs = [f"{rounded(a)} for γ = {g:g}" for g, a in alphas.items()]
    return (
        f"Background would hold {percent(advice.target)} of the gradient of these logits with alpha "
        f"{', '.join(pairs)}. This is a hint at one checkpoint and not a result: under another loss training leads to "
        "other logits."
    )
