"""ToDo on a clone of a model: the patch on self-attention, and wrappers around the sampling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from ...interception.graphs import is_tracing
from ...settings import Settings
from .sampling import ModelCall, Sampling
from .schedule import WholeSchedule, step_of

# our keys in ComfyUI's transformer_options, which every layer of a sampling gets
SAMPLING = "todo_sampling"
EVALUATION = "todo_evaluation"
WRAPPERS_KEY = "todo"
# as in comfy.patcher_extension.WrappersMP
OUTER_SAMPLE, APPLY_MODEL = "outer_sample", "apply_model"
TRANSFORMER_OPTIONS = "transformer_options"
ATTN1_PATCH = "attn1_patch"
GRID_KEY = "activations_shape"

Tell = Callable[[Sampling], None]


class KeysPatch:
    """The attn1 patch: gives self-attention pooled tokens for its keys and values.

    It has no state, since clones share it. The state is the sampling's, in transformer_options.
    """

    def __call__(
        self, n: torch.Tensor, context: torch.Tensor, value: torch.Tensor, options: dict[str, Any]
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        if is_tracing():
            return _outside_of_graphs(n, context, value, options)
        return _take(n, context, value, options)


def _take(
    n: torch.Tensor, context: torch.Tensor, value: torch.Tensor, options: dict[str, Any]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    call: ModelCall | None = options.get(EVALUATION)
    shape: list[int] | None = options.get(GRID_KEY)
    if call is None or shape is None:
        return n, context, value
    place = (*options.get("block", ("", 0)), options.get("block_index", 0))
    if call.is_over_time(place, shape):
        return n, context, value
    return n, *call.take(place, (shape[-2], shape[-1]), n, context, value)


@torch.compiler.disable
def _outside_of_graphs(
    n: torch.Tensor, context: torch.Tensor, value: torch.Tensor, options: dict[str, Any]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """It reads what changes with each call: compiled, each change would need a new graph."""
    return _take(n, context, value, options)


def apply(model: Any, settings: Settings, tell: Tell) -> Any:
    """A clone of the model that pools by these settings, instead of an earlier ToDo.

    Args:
        model: ComfyUI's ModelPatcher.
        settings: what to pool; if disabled, an earlier ToDo is only removed.
        tell: called after each sampling.
    """
    patched = model.clone()
    remove(patched)
    if settings.enabled:
        patched.set_model_attn1_patch(KeysPatch())
        patched.add_wrapper_with_key(OUTER_SAMPLE, WRAPPERS_KEY, SampleWrapper(settings, tell))
        patched.add_wrapper_with_key(APPLY_MODEL, WRAPPERS_KEY, prepare_evaluation)
    return patched


def remove(model: Any) -> None:
    """Remove ToDo from this model. Clones of it keep theirs."""
    patches = model.model_options[TRANSFORMER_OPTIONS].get("patches", {})
    if ATTN1_PATCH in patches:
        patches[ATTN1_PATCH] = [p for p in patches[ATTN1_PATCH] if not isinstance(p, KeysPatch)]
    for kind in (OUTER_SAMPLE, APPLY_MODEL):
        model.remove_wrappers_with_key(kind, WRAPPERS_KEY)


class SampleWrapper:
    """Around one sampling: creates its state, and reports on it afterwards."""

    def __init__(self, settings: Settings, tell: Tell) -> None:
        self.settings = settings
        self.tell = tell
        self._schedule = WholeSchedule()

    def __call__(
        self,
        executor: Any,
        noise: Any,
        latent: Any,
        sampler: Any,
        sigmas: Any,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        part = tuple(sigmas.tolist())
        whole = self._schedule.of(part)
        sampling = Sampling(self.settings, whole, name_of(sampler), step_of(part[0], whole))
        # these options are the sampling's own copy, and reach all of its threads
        executor.class_obj.model_options[TRANSFORMER_OPTIONS][SAMPLING] = sampling
        result = executor(noise, latent, sampler, sigmas, *args, **kwargs)
        self.tell(sampling)
        return result


def name_of(sampler: Any) -> str | None:
    """A sampler's name as on the page, such as "dpmpp_2m"; None if it is no such function."""
    function = getattr(getattr(sampler, "sampler_function", None), "__name__", None)
    return function.removeprefix("sample_").removesuffix("_function") if function else None


def prepare_evaluation(
    executor: Any,
    x: torch.Tensor,
    t: torch.Tensor,
    c_concat: Any = None,
    c_crossattn: Any = None,
    control: Any = None,
    transformer_options: dict[str, Any] | None = None,
    **kwargs: Any,
) -> Any:
    """Around one call of the U-Net: finds the step, and puts our patch last.

    It runs outside of a compiled model. Reading sigma synchronizes with a GPU, so that is done once
    here, and not in every layer.
    """
    options = dict(transformer_options or {})
    sampling: Sampling | None = options.get(SAMPLING)
    if sampling is not None:
        replaced = frozenset(options.get("patches_replace", {}).get("attn1", {}))
        sigma = float(options["sigmas"].max())
        call = sampling.begin_evaluation(sigma, tuple(x.shape[-2:]), replaced)
        options[EVALUATION] = call
        options["patches"] = with_ours_last(options.get("patches", {}))
    result = executor(x, t, c_concat, c_crossattn, control, options, **kwargs)
    if sampling is not None:
        call.end()
    return result


def with_ours_last(patches: dict[str, list]) -> dict[str, list]:
    """The patches with ours last on self-attention, so that it gets what the others return."""
    ours_last = sorted(patches.get(ATTN1_PATCH, ()), key=lambda p: isinstance(p, KeysPatch))
    return {**patches, ATTN1_PATCH: ours_last}
