"""The authors' own ToDo (ethansmith2000/ImprovedTokenMerge), for diffusers."""

from __future__ import annotations

import contextlib
import types
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from benchmarks.peers.case import Case, Method
from benchmarks.peers.third_party import load_file, stand_ins


def load(folder: Path) -> types.ModuleType:
    """The module `utils` from the repository's folder.

    Its import needs xformers, which it only uses where PyTorch has no attention of its own.
    """
    # before the stand-in is there: diffusers checks for xformers when it is imported
    import diffusers.models.attention_processor  # noqa: F401

    xformers = mock.MagicMock(spec=types.ModuleType)
    with stand_ins(xformers=xformers, xformers__ops=xformers, merge=None, utils=None):
        merge = load_file("merge", folder / "merge.py")
        # without peft it would pass its layers a LoRA scale, which diffusers no longer takes
        merge.USE_PEFT_BACKEND = True
        return load_file("utils", folder / "utils.py")


def method(utils: Any) -> Method:
    """The authors' patch at the same factors; it tells levels by their width in SD 1.x."""

    @contextlib.contextmanager
    def apply(case: Case) -> Iterator[None]:
        if any(factor != int(factor) for factor in case.factors):
            raise ValueError("the reference takes whole factors only")
        first, second = (int(factor) for factor in case.factors)
        arguments = {
            "merge_method": "downsample",
            "downsample_method": "nearest",
            "downsample_factor": first,
            "downsample_factor_level_2": second,
            "timestep_threshold_switch": 0.0,
            "timestep_threshold_stop": 0.0,
        }
        try:
            utils.patch_attention_proc(case.model, arguments)
            yield
        finally:
            # its own remove_patch forgets the hook
            for hook in case.model._tome_info["hooks"]:
                hook.remove()
            utils.remove_patch(SimpleNamespace(unet=case.model))

    return apply
