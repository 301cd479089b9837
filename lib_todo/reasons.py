"""Why a layer's call was left alone. wording.py has the English for each reason."""

from __future__ import annotations

import enum


class Reason(enum.Enum):
    """One reason each. The value is what the JSON report contains."""

    BELOW_THRESHOLD = "below_threshold"
    FACTOR_ONE = "factor_one"
    # the paper's factors, which apply in the first quarter of the steps, are 1
    LEAD_IN = "lead_in"
    # the paper's factors, which apply with this sampler in all steps, are 1
    SAMPLER = "sampler"
    OUTSIDE_WINDOW = "outside_window"
    OTHER_PASS = "other_pass"
    OTHER_GENERATION = "other_generation"
    OTHER_GRID = "other_grid"
    TOKENS_MERGED = "tokens_merged"
    AGENT_ATTENTION = "agent_attention"
    HYPERTILE = "hypertile"
    OLDER_EXTENSION = "older_extension"
    ATTENTION_MAP_READ = "attention_map_read"
    PERTURBED = "perturbed_attention"
    MASKED = "masked"
    FUSED = "fused_projections"
    OTHER_VALUES = "other_values"
    KEYS_IGNORED = "keys_ignored"
    REPLACED = "replaced"
    OTHER_REDUCTION = "other_reduction"
    OTHER_PROCESSOR = "other_processor"
    HOOKED = "hooked"
    FORWARD_REPLACED = "forward_replaced"
    NOT_SELF_ATTENTION = "not_self_attention"

    # by identity: Enum's own runs Python code, and every layer's call is counted by its reason
    __hash__ = object.__hash__


# noted even where other layers were pooled, since no setting asked for them
UNEXPECTED = frozenset(
    {
        Reason.OLDER_EXTENSION,
        Reason.HYPERTILE,
        Reason.ATTENTION_MAP_READ,
        Reason.PERTURBED,
        Reason.OTHER_GRID,
        Reason.TOKENS_MERGED,
        Reason.AGENT_ATTENTION,
        Reason.MASKED,
        Reason.FUSED,
        Reason.OTHER_VALUES,
        Reason.KEYS_IGNORED,
        Reason.REPLACED,
        Reason.OTHER_REDUCTION,
        Reason.OTHER_PROCESSOR,
        Reason.HOOKED,
        Reason.FORWARD_REPLACED,
    }
)
# the rule itself: the layer would be pooled in a larger picture, or with other factors
BY_RULE = frozenset({Reason.BELOW_THRESHOLD, Reason.FACTOR_ONE, Reason.LEAD_IN, Reason.SAMPLER})
