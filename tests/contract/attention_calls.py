"""How each family's attention is called by its hosts, and what has to reach the layer."""

from __future__ import annotations

from lib_todo.reasons import Reason

Call = tuple[tuple, dict[str, str]]
Case = tuple[Call, Call]

# the tables name what is passed: x, its pooled tokens x↓, and so on; the fixture `given` of
# test_signatures.py has them


def same(*args: str, **kwargs: str) -> Call:
    return args, kwargs


def ldm_like(*extra: str) -> list[Case]:
    """How attention is called that takes x, context, and (third or later) mask."""
    return [
        (same("x"), same("x", context="x↓")),
        (same("x", "none"), same("x", "x↓")),
        (same("x", "x"), same("x", "x↓")),
        (same("x", "two"), same("x", "two↓")),
        (same("x", "none", *extra, "none"), same("x", "x↓", *extra, "none")),
        (same("x", context="none"), same("x", context="x↓")),
        (same("x", context="x"), same("x", context="x↓")),
        (same("x", context="two"), same("x", context="two↓")),
        (same("x", context="none", mask="none"), same("x", context="x↓", mask="none")),
        (same("x", mask="none"), same("x", mask="none", context="x↓")),
        (same(x="x"), same(x="x", context="x↓")),
        (same(mask="none", context="x", x="x"), same(mask="none", context="x↓", x="x")),
    ]


SGM = [
    (same("x", "none", "none", "none", "zero"), same("x", "x↓", "none", "none", "zero")),
    (
        same(
            "x",
            context="none",
            additional_tokens="none",
            n_times_crossframe_attn_in_self="zero",
        ),
        same(
            "x",
            context="x↓",
            additional_tokens="none",
            n_times_crossframe_attn_in_self="zero",
        ),
    ),
]
COMFY = [
    (same("x", context="none", value="none"), same("x", context="x↓", value="none")),
    (same("x", context="x", value="x"), same("x", context="x↓", value="x↓")),
    (same("x", "x", "x"), same("x", "x↓", "x↓")),
    (same("x", context="x", value="value"), same("x", context="x↓", value="value↓")),
    (same("x", "x", "value"), same("x", "x↓", "value↓")),
    (same("x", value="value"), same("x", value="value↓", context="x↓")),
    (same("x", "two", "two"), same("x", "two↓", "two↓")),
    (same("x", context="two", value="two_values"), same("x", context="two↓", value="two_values↓")),
    (
        same("x", context="none", value="none", transformer_options="options"),
        same("x", context="x↓", value="none", transformer_options="options"),
    ),
    (
        same("x", "x", "value", "none", "options"),
        same("x", "x↓", "value↓", "none", "options"),
    ),
    (
        same(transformer_options="options", x="x"),
        same(transformer_options="options", x="x", context="x↓"),
    ),
]
DIFFUSERS = [
    (same("x"), same("x", encoder_hidden_states="x↓")),
    (same("x", "none"), same("x", "x↓")),
    (same("x", "two"), same("x", "two↓")),
    (same("x", "none", "none"), same("x", "x↓", "none")),
    (
        same("x", encoder_hidden_states="none", attention_mask="none"),
        same("x", encoder_hidden_states="x↓", attention_mask="none"),
    ),
    (
        same("x", encoder_hidden_states="none", attention_mask="none", scale="options"),
        same("x", encoder_hidden_states="x↓", attention_mask="none", scale="options"),
    ),
    (same(hidden_states="x"), same(hidden_states="x", encoder_hidden_states="x↓")),
    (
        same(encoder_hidden_states="x", hidden_states="x"),
        same(encoder_hidden_states="x↓", hidden_states="x"),
    ),
]
POOLED: dict[str, list[Case]] = {
    "ldm": ldm_like(),
    "sgm": [*ldm_like(), *SGM],
    **{name: [*ldm_like("none"), *COMFY] for name in ("forge", "ldm_patched", "comfy")},
    "diffusers": DIFFUSERS,
}

PROMPT = [
    same("x", "text"),
    same("x", context="text"),
    same(x="x", context="text"),
    same("x", context="text", mask="mask"),
]
MASK = [
    same("x", context="none", mask="mask"),
    same("x", mask="mask", context="x"),
    same("x", context="two", mask="mask"),
    same(mask="mask", x="x"),
]
# without a reason: no self-attention
UNTOUCHED: dict[str, list[tuple[Call, Reason | None]]] = {
    "ldm": [
        *[(call, None) for call in PROMPT],
        *[
            (call, Reason.MASKED)
            for call in [*MASK, same("x", "none", "mask"), same("x", "x", "mask")]
        ],
    ],
    "sgm": [
        *[(call, None) for call in PROMPT],
        *[(call, Reason.MASKED) for call in [*MASK, same("x", "none", "mask")]],
        (same("x", "none", "none", "text", "zero"), Reason.MASKED),
        (same("x", additional_tokens="text"), Reason.MASKED),
        (same("x", "none", "none", "none", "three"), Reason.MASKED),
        (same("x", context="none", n_times_crossframe_attn_in_self="three"), Reason.MASKED),
    ],
    **{
        name: [
            *[(call, None) for call in PROMPT],
            *[(call, Reason.MASKED) for call in [*MASK, same("x", "none", "none", "mask")]],
            (same("x", context="text", value="text"), None),
            (same("x", "text", "text", "none", "options"), None),
            (same("x", context="x", value="value", mask="mask"), Reason.MASKED),
            (same("x", context="x", value="text"), Reason.OTHER_VALUES),
            # Forge's token merging merges the queries' tokens alone, reForge's HyperTile tiles them
            (same("merged", context="x", value="x"), Reason.OTHER_GRID),
        ]
        for name in ("forge", "ldm_patched", "comfy")
    },
    "diffusers": [
        (same("x", "text"), None),
        (same("x", encoder_hidden_states="text", attention_mask="none"), None),
        (same("x", encoder_hidden_states="text", attention_mask="mask"), None),
        (same("x", "none", "mask"), Reason.MASKED),
        (same("x", encoder_hidden_states="none", attention_mask="mask"), Reason.MASKED),
    ],
}
