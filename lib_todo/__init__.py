"""ToDo: token downsampling for efficient high-resolution images (arXiv 2402.13573)."""

from lib_todo.hijack import token_downsampling
from lib_todo.pooling import pool_tokens
from lib_todo.report import Report
from lib_todo.settings import Settings, SettingsError

__version__ = "1.0.0"
__all__ = ["Report", "Settings", "SettingsError", "pool_tokens", "token_downsampling"]
