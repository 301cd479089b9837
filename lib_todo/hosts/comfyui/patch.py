"""ToDo on a clone of a model: wrappers around the sampling, and the patch on self-attention."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from ...cost.architectures import shape_of_unet
from ...interception.graphs import is_tracing
from ...settings import Settings
from .sampling import ModelCall, Sampling, Taken
from .schedule import Levels, step_of, whole_schedule

# our keys in ComfyUI's transformer_options, which every layer of a sampling gets
SAMPLING, EVALUATION = "todo_sampling", "todo_evaluation"
WRAPPERS_KEY = "todo"


def keys_patch(
    n: torch.Tensor, context: torch.Tensor, value: torch.Tensor, options: dict[str, Any]
) -> Taken:
    """The attn1 patch, the same in every call: pooled tokens for keys and values."""
    take = _take_outside_of_graphs if is_tracing() else ModelCall.take
    return take(options[EVALUATION], n, context, value, options)


# a call reads what changes each time: compiled, each change would need a new graph
_take_outside_of_graphs = torch.compiler.disable(ModelCall.take)


def apply(model: Any, settings: Settings, tell: Callable[[Sampling], None]) -> Any:
    """A clone of ComfyUI's ModelPatcher that pools by these settings, instead of an earlier ToDo.

    `tell` is called after each sampling.
    """
    patched = model.clone()
    # by the names of comfy.patcher_extension.WrappersMP
    wrappers = {"outer_sample": SampleWrapper(settings, tell), "apply_model": call_with_patch}
    for kind, wrapper in wrappers.items():
        patched.remove_wrappers_with_key(kind, WRAPPERS_KEY)
        patched.add_wrapper_with_key(kind, WRAPPERS_KEY, wrapper)
    return patched


class SampleWrapper:
    """Around one sampling: creates its state, and reports on it afterwards."""

    def __init__(self, settings: Settings, tell: Callable[[Sampling], None]) -> None:
        self.settings, self.tell = settings, tell
        # the part of a schedule that was sampled last, and what is known of the whole
        self._last: tuple[Levels, Levels] = (), ()

    def __call__(
        self, executor: Any, noise: Any, x: Any, sampler: Any, sigmas: Any, *args: Any, **kw: Any
    ) -> Any:
        part = tuple(sigmas.tolist())
        whole = whole_schedule(part, *self._last)
        self._last = part, whole
        # a sampler's name as on the page, such as "dpmpp_2m"
        name = getattr(getattr(sampler, "sampler_function", None), "__name__", "")
        name = name.removeprefix("sample_").removesuffix("_function")
        sampling = Sampling(self.settings, whole, name or None, step_of(part[0], whole))
        sampling.shape = shape_of_unet(executor.class_obj.model_patcher.model.diffusion_model)
        # these options are the sampling's own copy, and reach all of its threads
        executor.class_obj.model_options["transformer_options"][SAMPLING] = sampling
        result = executor(noise, x, sampler, sigmas, *args, **kw)
        self.tell(sampling)
        return result


def call_with_patch(
    executor: Any,
    x: torch.Tensor,
    t: torch.Tensor,
    c_concat: Any = None,
    c_crossattn: Any = None,
    control: Any = None,
    transformer_options: dict[str, Any] | None = None,
    **kwargs: Any,
) -> Any:
    """Around one call of the U-Net: finds the step, and adds our patch.

    It runs outside of a compiled model. Reading sigma synchronizes with a GPU, so that is done once
    here, and not in every layer.
    """
    options = dict(transformer_options or {})
    sampling: Sampling | None = options.get(SAMPLING)
    call = None
    if sampling is not None:
        replaced = frozenset(options.get("patches_replace", {}).get("attn1", {}))
        sigma = float(options["sigmas"].max())
        call = sampling.begin_evaluation(sigma, tuple(x.shape[-2:]), replaced)
    if call is None:
        return executor(x, t, c_concat, c_crossattn, control, options, **kwargs)
    options[EVALUATION] = call
    # last, so that it gets what the others return
    patches = options.get("patches", {})
    options["patches"] = {**patches, "attn1_patch": [*patches.get("attn1_patch", ()), keys_patch]}
    result = executor(x, t, c_concat, c_crossattn, control, options, **kwargs)
    call.end()
    return result
