"""What AUTOMATIC1111's WebUI lacks before 1.8, and what serves instead.

It has no `PasteField`, for which a plain pair serves everywhere, and before 1.7 no categories of
options.
"""

from __future__ import annotations

from typing import Any

from ..call_stack import callers, local


def denoiser_of(params: Any) -> Any:
    """The host's denoiser that is about to be called, from the parameters of `on_cfg_denoiser`.

    Before 1.8 the parameters do not name it. It is then the caller of the callback, whose `self`
    is on the call stack; the processing object's own sampler would be another one's in a nested
    generation.

    Raises:
        LookupError: no denoiser is on the call stack.
    """
    if hasattr(params, "denoiser"):
        return params.denoiser
    for frame in callers():
        if frame.f_code.co_name == "forward":
            found = local(frame, "self")
            if hasattr(found, "total_steps"):
                return found
    raise LookupError("on_cfg_denoiser was called by something that is no denoiser")
