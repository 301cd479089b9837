"""The older extension (feffy380/sd-webui-token-downsampling), for ldm."""

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
    """The script of the older extension (feffy380/sd-webui-token-downsampling), for ldm.

    It imports gradio and the host's modules for its settings page, which is never built here.
    """
    host = mock.MagicMock(spec=types.ModuleType)
    host.scripts = types.SimpleNamespace(Script=object)
    host.script_callbacks = host.shared = host.processing = mock.MagicMock()
    with stand_ins(gradio=mock.MagicMock(), modules=host):
        return load_file("older_token_downsampling", folder / "scripts" / "token_downsampling.py")


def method(script: Any) -> Method:
    """The older extension's patch, at the same factors, on in every step."""

    @contextlib.contextmanager
    def apply(case: Case) -> Iterator[None]:
        first, second = case.factors
        holder = SimpleNamespace(model=SimpleNamespace(diffusion_model=case.model))
        try:
            script.apply_patch(
                holder,
                is_sdxl=False,
                downsample_factor=first,
                downsample_factor2=second,
                disable_after=float("inf"),
            )
            yield
        finally:
            script.remove_patch(holder)

    return apply
