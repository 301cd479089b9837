"""`StepProgress` by its module's earlier name; it stands in `hosts.diffusers`."""

from .hosts.diffusers import StepProgress

__all__ = ["StepProgress"]
