"""Other people's code: from packages, or from folders that the user names.

What it imports beyond that is stood in for; none of it is copied.
"""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch

from benchmarks.peers.case import Case, Method
from benchmarks.peers.names import LDM


@contextlib.contextmanager
def _stand_ins(**modules: types.ModuleType) -> Iterator[None]:
    """Make those modules importable inside the `with`; `__` in a name stands for a dot."""
    with mock.patch.dict(sys.modules, {k.replace("__", "."): v for k, v in modules.items()}):
        yield


def _load_file(name: str, path: Path) -> types.ModuleType:
    """A Python file as a module of that name. Raises FileNotFoundError."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there")
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def tome(ratio: float) -> Method:
    """ToMe by tomesd, as it runs by default: the self-attention of the largest grid.

    Each `with` starts from the same seed, and PyTorch's own generator stays as it was.

    Raises ImportError.
    """
    from comparison.tome import tokens_merged

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


def hidiffusion() -> Any:
    """The package; it imports a module from where older versions of diffusers had it."""
    from diffusers.models.controlnets import multicontrolnet

    with _stand_ins(diffusers__pipelines__controlnet__multicontrolnet=multicontrolnet):
        import hidiffusion

    return hidiffusion


def hidiffusion_windows() -> Method:
    """HiDiffusion's windows alone: its smaller U-Net (RAU-Net) is for the first steps only."""
    package = hidiffusion()

    @contextlib.contextmanager
    def apply(case: Case) -> Iterator[None]:
        upsamplers = case.model.num_upsamplers
        # without a published model's name the package goes by the module names
        case.model.name_or_path = ""
        try:
            package.apply_hidiffusion(case.model, apply_raunet=False)
            yield
        finally:
            package.remove_hidiffusion(case.model)
            case.model.num_upsamplers = upsamplers

    return apply


def load_hypertile(webui: Path) -> types.ModuleType:
    """HyperTile's module in the WebUI's folder. Raises FileNotFoundError."""
    path = webui / "extensions-builtin" / "hypertile" / "hypertile.py"
    return _load_file("webui_hypertile", path)


def hypertile(webui: Path) -> Method:
    """HyperTile of the WebUI in that folder, with its default tile of 256 pixels always."""
    module = load_hypertile(webui)

    @contextlib.contextmanager
    def apply(case: Case) -> Iterator[None]:
        try:
            module.hypertile_hook_model(
                case.model,
                case.width,
                case.height,
                enable=True,
                tile_size_max=256,
                swap_size=1,
                max_depth=3,
                is_sdxl=case.architecture == "SDXL",
            )
            yield
        finally:
            # the WebUI's code has no way to take its hook back
            for layer in case.model.modules():
                if layer.__dict__.pop("__webui_hypertile_params", None) is not None:
                    del layer.forward
            case.model.__dict__.pop("__webui_hypertile_layers", None)

    return apply


def reference(folder: Path) -> Method:
    """The authors' ToDo (ethansmith2000/ImprovedTokenMerge) for diffusers, at the same factors.

    It tells levels by their width in SD 1.x. Its import needs xformers, which it only uses where
    PyTorch has no attention of its own.
    """
    # before the stand-in is there: diffusers checks for xformers when it is imported
    import diffusers.models.attention_processor  # noqa: F401

    xformers = mock.MagicMock(spec=types.ModuleType)
    with _stand_ins(xformers=xformers, xformers__ops=xformers, merge=None, utils=None):
        merge = _load_file("merge", folder / "merge.py")
        # without peft it would pass its layers a LoRA scale, which diffusers no longer takes
        merge.USE_PEFT_BACKEND = True
        utils = _load_file("utils", folder / "utils.py")

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


def older_extension(folder: Path) -> Method:
    """The older extension (feffy380/sd-webui-token-downsampling) for ldm, at the same factors.

    It imports gradio and the host's modules for its settings page, which is never built here.
    """
    host = mock.MagicMock(spec=types.ModuleType)
    host.scripts = types.SimpleNamespace(Script=object)
    host.script_callbacks = host.shared = host.processing = mock.MagicMock()
    with _stand_ins(gradio=mock.MagicMock(), modules=host):
        path = folder / "scripts" / "token_downsampling.py"
        script = _load_file("older_token_downsampling", path)

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
