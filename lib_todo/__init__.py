"""ToDo: token downsampling for efficient high-resolution images (arXiv 2402.13573)."""

from .cost.speedup import predict
from .downsampling import bind, token_downsampling
from .hosts import diffusers_layers
from .pooling import pool_tokens
from .report import Report
from .settings import Settings, SettingsError

__version__ = "1.0.0"
__all__ = [
    "Report",
    "Settings",
    "SettingsError",
    "bind",
    "pool_tokens",
    "predict",
    "token_downsampling",
]

diffusers_layers.register()
