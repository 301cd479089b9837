"""Why a layer's call was left alone. wording.py has the English for each reason."""

from __future__ import annotations

import enum


class Reason(enum.Enum):
    """One reason each; of a layer with several, the first here is told.

    The value is what the JSON report contains.
    """

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
    OTHER_PASS = "other_pass"
    OUTSIDE_WINDOW = "outside_window"
    OTHER_GENERATION = "other_generation"
    # the paper's factors, which apply with this sampler in all steps, are 1
    SAMPLER = "sampler"
    # the paper's factors, which apply in the first quarter of the steps, are 1
    LEAD_IN = "lead_in"
    FACTOR_ONE = "factor_one"
    BELOW_THRESHOLD = "below_threshold"

    # by identity: Enum's own runs Python code, and every layer's call is counted by its reason
    __hash__ = object.__hash__


# the rule itself: the layer would be pooled in a larger picture, or with other factors
BY_RULE = frozenset({Reason.BELOW_THRESHOLD, Reason.FACTOR_ONE, Reason.LEAD_IN, Reason.SAMPLER})
_ASKED_FOR = {Reason.OTHER_PASS, Reason.OUTSIDE_WINDOW, Reason.OTHER_GENERATION}
# noted even where other layers were pooled, since no setting asked for them
UNEXPECTED = frozenset(Reason) - BY_RULE - _ASKED_FOR
