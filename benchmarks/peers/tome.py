"""ToMe as tomesd runs it by default: the self-attention of the largest grid."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from benchmarks.peers.case import Case, Method
from benchmarks.peers.names import LDM


def tome(ratio: float) -> Method:
    """ToMe at that ratio of merged tokens.

    Each `with` starts from the same seed, and PyTorch's own generator stays as it was.

    Raises:
        ImportError: tomesd is not installed.
    """
    from demo.comparison.merging import tokens_merged

    @contextlib.contextmanager
    def apply(case: Case) -> Iterator[None]:
        target = case.model
        if case.kind == LDM:
            # tomesd looks for model.diffusion_model in what it is given
            target = torch.nn.Module()
            target.model = torch.nn.Module()
            target.model.diffusion_model = case.model
        with tokens_merged(target, ratio), torch.random.fork_rng():
            torch.manual_seed(0)
            yield

    return apply
