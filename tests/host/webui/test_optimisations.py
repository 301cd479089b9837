"""Every attention optimisation of the host computes with the pooled tokens."""

from __future__ import annotations

import pytest
from expect import Pass, Pooling, check, first_pixels
from host import Host

# The titles that the option wants, with the name that the host logs.
TITLES = {
    "sdp - scaled dot product": "sdp",
    "sdp-no-mem - scaled dot product without memory efficient attention": "sdp-no-mem",
    "sub-quadratic": "sub-quadratic",
    "Doggettx": "Doggettx",
    "InvokeAI": "InvokeAI",
    "V1 - original v1": "V1",
    "None": None,
}


@pytest.mark.parametrize("family", ["tiny15", "tinyxl"])
@pytest.mark.parametrize("title", TITLES)
def test_an_optimisation(host: Host, family: str, title: str) -> None:
    """Its image is the one it makes when the probe pools by plain indexing."""
    host.use(f"{family}_a")
    pooling = Pooling(factor=2, deep_factor=2, threshold=6)
    size = {"width": 192, "height": 136, "steps": 1}
    # From another one, so that there is a change to be seen in the log.
    other = "Doggettx" if title.startswith("sdp") else "sdp - scaled dot product"
    with host.options_set(cross_attention_optimization=other):
        with host.log_since() as log:
            host.set_options(cross_attention_optimization=title)
        name = TITLES[title]
        told = (
            f"Applying attention optimization: {name}... done." if name else "Disabling attention"
        )
        assert told in "\n".join(log)

        host.probe_lattice(factor=2, threshold=6)
        by_hand = first_pixels(host.txt2img(**size))
        host.probe_reset()
        assert first_pixels(host.txt2img(**size, **pooling.asked())) == by_hand
        check(host, family, first=Pass(192, 136, 1, pooling))
