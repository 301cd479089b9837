"""What is compared: each method as a context manager that holds on a U-Net inside a `with`."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from benchmarks import bounds, foreign
from benchmarks.attentions import AUTOMATIC
from lib_todo import Settings, token_downsampling
from lib_todo.plan import Grid, layer_factor

DENSE, TODO, IDEAL, FLOOR = "dense", "ToDo", "ideal", "floor"
# what can be had where more error is allowed than the automatic factor makes
TODO_BY = {f"ToDo factor {factor}": factor for factor in (3, 4, 6)}
REFERENCE, OLDER = "reference ToDo", "older extension"
HYPERTILE, HIDIFFUSION = "HyperTile", "HiDiffusion windows"
TOMES = {"ToMe 0.5": 0.5, "ToMe 0.75": 0.75}
# other people's code, which may fail in any way
FOREIGN = {REFERENCE, OLDER, HYPERTILE, HIDIFFUSION, *TOMES}
ALL = (DENSE, TODO, *TODO_BY, IDEAL, FLOOR, *TOMES, HYPERTILE, REFERENCE, HIDIFFUSION, OLDER)

DIFFUSERS, LDM = "diffusers", "ldm"
_CONTEXT = {DIFFUSERS: "encoder_hidden_states", LDM: "context"}


def way(kind: str, attention: str) -> str:
    """What runs a U-Net and with which attention, as in the results' keys.

    Args:
        kind: DIFFUSERS or LDM.
        attention: of attentions.NAMES; not told where it is AUTOMATIC.
    """
    return kind if attention == AUTOMATIC else f"{kind}, {attention}"


def attention_of(way: str) -> str:
    """The attention in what `way` returned."""
    return way.partition(", ")[2] or AUTOMATIC


@dataclasses.dataclass(frozen=True)
class Case:
    """A U-Net at one size, and what the rule makes of it.

    `grids` are those of its self-attention, largest first; sizes are in pixels; `batch` is the
    images in a call.
    """

    model: Any
    kind: str
    architecture: str
    width: int
    height: int
    grids: list[Grid]
    settings: Settings
    batch: int = 1

    @property
    def factors(self) -> tuple[float, float]:
        """Of the largest grid and of the next one."""
        return tuple(layer_factor(g, self.grids[0], self.settings) for g in self.grids[:2])


Method = Callable[[Case], contextlib.AbstractContextManager]


def todo(**changes: Any) -> Method:
    """Ours, with the case's settings or some of them changed."""

    @contextlib.contextmanager
    def apply(case: Case) -> Iterator[None]:
        with token_downsampling(dataclasses.replace(case.settings, **changes)):
            yield

    return apply


@contextlib.contextmanager
def ideal(case: Case) -> Iterator[None]:
    """As many keys as ToDo leaves, ready-made."""
    sizes = bounds.pooled_sizes(case.grids, case.settings)
    with bounds.ready_made_keys(case.model, _CONTEXT[case.kind], sizes, case.batch):
        yield


@contextlib.contextmanager
def floor(case: Case) -> Iterator[None]:
    """One key in the layers that ToDo pools."""
    sizes = dict.fromkeys(bounds.pooled_sizes(case.grids, case.settings), 1)
    with bounds.ready_made_keys(case.model, _CONTEXT[case.kind], sizes, case.batch):
        yield


def reference(utils: Any) -> Method:
    """The authors' patch, at the same factors; it knows levels by their width in SD 1.x."""

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


def older(script: Any) -> Method:
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


def tome(tomesd: Any, ratio: float) -> Method:
    """ToMe as tomesd sets it by default: self-attention of the largest grid.

    What it draws is drawn alike in every `with`; PyTorch's generator is left as it was.
    """

    @contextlib.contextmanager
    def apply(case: Case) -> Iterator[None]:
        target = case.model
        if case.kind == LDM:
            # it looks for model.diffusion_model in what it is given
            target = torch.nn.Module()
            target.model = torch.nn.Module()
            target.model.diffusion_model = case.model
        try:
            tomesd.apply_patch(target, ratio=ratio)
            with torch.random.fork_rng():
                torch.manual_seed(0)
                yield
        finally:
            tomesd.remove_patch(target)

    return apply


def hypertile(module: Any) -> Method:
    """HyperTile with the WebUI's default tile of 256 pixels, and always that one."""

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
            # the hook never goes away by itself
            for layer in case.model.modules():
                if layer.__dict__.pop("__webui_hypertile_params", None) is not None:
                    del layer.forward
            case.model.__dict__.pop("__webui_hypertile_layers", None)

    return apply


def hidiffusion(package: Any) -> Method:
    """HiDiffusion's windows; its smaller U-Net holds for the first steps only and is left out."""

    @contextlib.contextmanager
    def apply(case: Case) -> Iterator[None]:
        upsamplers = case.model.num_upsamplers
        # by this name it knows published models; without one it looks at the module names
        case.model.name_or_path = ""
        try:
            package.apply_hidiffusion(case.model, apply_raunet=False)
            yield
        finally:
            package.remove_hidiffusion(case.model)
            case.model.num_upsamplers = upsamplers

    return apply


@dataclasses.dataclass(frozen=True)
class Folders:
    """Where the user says that other people's code lies; None leaves it out."""

    reference: Path | None = None
    older: Path | None = None
    webui: Path | None = None


def available(kind: str, architecture: str, folders: Folders) -> tuple[dict[str, Method], dict]:
    """Methods for a kind of U-Net, and for each that is left out, why.

    Args:
        kind: DIFFUSERS or LDM.
        architecture: a name of benchmarks.unet.CONFIGS.
    """
    methods: dict[str, Method] = {
        DENSE: lambda case: contextlib.nullcontext(),
        TODO: todo(),
        **{name: todo(factor=factor) for name, factor in TODO_BY.items()},
        IDEAL: ideal,
        FLOOR: floor,
    }
    makers: dict[str, Callable[[], Method]] = {
        name: lambda ratio=ratio: tome(foreign.load_tomesd(), ratio)
        for name, ratio in TOMES.items()
    }
    makers[HYPERTILE] = lambda: hypertile(foreign.load_hypertile(_named(folders.webui, "--webui")))
    if kind == DIFFUSERS:
        makers[REFERENCE] = lambda: reference(
            foreign.load_reference(_named(folders.reference, "--reference"))
        )
        makers[HIDIFFUSION] = lambda: hidiffusion(foreign.load_hidiffusion())
    else:
        makers[OLDER] = lambda: older(foreign.load_older(_named(folders.older, "--older")))
    left_out = {}
    if architecture == "SDXL" and kind == DIFFUSERS:
        del makers[REFERENCE], makers[HYPERTILE]
        left_out[REFERENCE] = "it knows the levels of SD 1.x alone"
        left_out[HYPERTILE] = "it knows SDXL's layers by ldm's names alone"
    for name, make in makers.items():
        try:
            methods[name] = make()
        except (ImportError, OSError, ValueError) as error:
            left_out[name] = str(error)
    return methods, left_out


def _named(folder: Path | None, option: str) -> Path:
    if folder is None:
        raise ValueError(f"no folder named by {option}")
    return folder
