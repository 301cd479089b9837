"""ToDo on a clone of a model: the patch on self-attention, and wrappers around the sampling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from ...interception.graphs import is_tracing
from ...settings import Settings
from .sampling import ModelCall, Sampling, Taken
from .schedule import Levels, step_of, whole_schedule

# our keys in ComfyUI's transformer_options, which every layer of a sampling gets
SAMPLING, EVALUATION = "todo_sampling", "todo_evaluation"
WRAPPERS_KEY = "todo"
# ComfyUI's; the first two as in comfy.patcher_extension.WrappersMP
OUTER_SAMPLE, APPLY_MODEL = "outer_sample", "apply_model"
TRANSFORMER_OPTIONS, ATTN1_PATCH = "transformer_options", "attn1_patch"

Tell = Callable[[Sampling], None]


def keys_patch(
    n: torch.Tensor, context: torch.Tensor, value: torch.Tensor, options: dict[str, Any]
) -> Taken:
    """The attn1 patch, the same for all models: pooled tokens for keys and values."""
    call: ModelCall | None = options.get(EVALUATION)
    if call is None:
        return n, context, value
    take = _take_outside_of_graphs if is_tracing() else ModelCall.take
    return take(call, n, context, value, options)


# a call reads what changes each time: compiled, each change would need a new graph
_take_outside_of_graphs = torch.compiler.disable(ModelCall.take)


def apply(model: Any, settings: Settings, tell: Tell) -> Any:
    """A clone of ComfyUI's ModelPatcher that pools by these settings, instead of an earlier ToDo.

    `tell` is called after each sampling.
    """
    patched = model.clone()
    patches = patched.model_options[TRANSFORMER_OPTIONS].get("patches", {})
    if ATTN1_PATCH in patches:
        patches[ATTN1_PATCH] = [p for p in patches[ATTN1_PATCH] if p is not keys_patch]
    for kind in (OUTER_SAMPLE, APPLY_MODEL):
        patched.remove_wrappers_with_key(kind, WRAPPERS_KEY)
    patched.set_model_attn1_patch(keys_patch)
    patched.add_wrapper_with_key(OUTER_SAMPLE, WRAPPERS_KEY, SampleWrapper(settings, tell))
    patched.add_wrapper_with_key(APPLY_MODEL, WRAPPERS_KEY, prepare_evaluation)
    return patched


class SampleWrapper:
    """Around one sampling: creates its state, and reports on it afterwards."""

    def __init__(self, settings: Settings, tell: Tell) -> None:
        self.settings, self.tell = settings, tell
        # the part of a schedule that was sampled last, and what is known of the whole
        self._last: tuple[Levels, Levels] = (), ()

    def __call__(
        self,
        executor: Any,
        noise: Any,
        latent: Any,
        sampler: Any,
        sigmas: Any,
        *args: Any,
        **kw: Any,
    ) -> Any:
        part = tuple(sigmas.tolist())
        whole = whole_schedule(part, *self._last)
        self._last = part, whole
        # a sampler's name as on the page, such as "dpmpp_2m"
        name = getattr(getattr(sampler, "sampler_function", None), "__name__", "")
        name = name.removeprefix("sample_").removesuffix("_function")
        sampling = Sampling(self.settings, whole, name or None, step_of(part[0], whole))
        # these options are the sampling's own copy, and reach all of its threads
        executor.class_obj.model_options[TRANSFORMER_OPTIONS][SAMPLING] = sampling
        result = executor(noise, latent, sampler, sigmas, *args, **kw)
        self.tell(sampling)
        return result


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
    if sampling is None:
        return executor(x, t, c_concat, c_crossattn, control, options, **kwargs)
    replaced = frozenset(options.get("patches_replace", {}).get("attn1", {}))
    sigma = float(options["sigmas"].max())
    call = sampling.begin_evaluation(sigma, tuple(x.shape[-2:]), replaced)
    options[EVALUATION] = call
    # so that it gets what the others return
    patches = options.get("patches", {})
    ours_last = sorted(patches.get(ATTN1_PATCH, ()), key=lambda p: p is keys_patch)
    options["patches"] = {**patches, ATTN1_PATCH: ours_last}
    result = executor(x, t, c_concat, c_crossattn, control, options, **kwargs)
    call.end()
    return result
