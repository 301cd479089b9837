"""Why a layer's call was left alone."""

from __future__ import annotations

import enum


class Reason(enum.Enum):
    """One reason each; of a layer with several in its calls, the first here is told.

    The value is what the line says of the layers; the JSON report has the name in lower case.
    """

    OTHER_GRID = "whose tokens were merged or tiled before (token merging, another extension)"
    HYPERTILE = "left to HyperTile"
    OLDER_EXTENSION = "left to the older ToDo extension"
    ATTENTION_MAP_READ = "left to self-attention guidance, which reads their attention map"
    PERTURBED_ATTENTION = "left to perturbed-attention guidance, which replaces their output"
    MASKED = "masked or with additional tokens"
    FUSED_PROJECTIONS = "with fused projections"
    OTHER_VALUES = "called with values that do not match the keys"
    KEYS_IGNORED = "that ignore the pooled keys they are given"
    REPLACED = "whose self-attention other code replaces"
    OTHER_REDUCTION = "left to another program's token reduction"
    OTHER_PROCESSOR = "with an attention processor that may not take pooled keys"
    HOOKED = "with a hook that reads their output or values"
    FORWARD_REPLACED = "whose forward was replaced by other code"
    OTHER_PASS = "in a pass that the setting Passes excludes"
    OUTSIDE_WINDOW = "outside the steps from Start to End"
    SAMPLER = "with the paper's factor of 1, as this sampler or so few steps require"
    LEAD_IN = "with the paper's factor of 1, which the first steps of a pass have"
    FACTOR_ONE = "with a factor of 1 (chosen, or automatic near the threshold)"
    BELOW_THRESHOLD = "below the threshold"

    # by identity: Enum's own runs Python code, and every layer's call is counted by its reason
    __hash__ = object.__hash__


# the rule itself: the layer would be pooled in a larger picture, or with other factors
BY_RULE = frozenset({Reason.BELOW_THRESHOLD, Reason.FACTOR_ONE, Reason.LEAD_IN, Reason.SAMPLER})
_ASKED_FOR = {Reason.OTHER_PASS, Reason.OUTSIDE_WINDOW}
# noted even where other layers were pooled, since no setting asked for them
UNEXPECTED = frozenset(Reason) - BY_RULE - _ASKED_FOR
