"""Loads other people's code from folders the user names, with stand-ins for what it imports."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock


@contextlib.contextmanager
def _stand_ins(**modules: types.ModuleType) -> Iterator[None]:
    """Those modules importable inside the `with`; afterwards as before."""
    with mock.patch.dict(sys.modules, {k.replace("__", "."): v for k, v in modules.items()}):
        yield


def _load(name: str, path: Path) -> types.ModuleType:
    """A Python file as a module of that name."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there")
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def load_reference(folder: Path) -> types.ModuleType:
    """`utils` of the reference ToDo (ethansmith2000/ImprovedTokenMerge), for diffusers.

    It imports xformers and uses it only where PyTorch has no attention of its own.
    """
    # diffusers looks at what is installed when it is imported: before the stand-in is there
    import diffusers.models.attention_processor  # noqa: F401

    xformers = mock.MagicMock(spec=types.ModuleType)
    with _stand_ins(xformers=xformers, xformers__ops=xformers, merge=None, utils=None):
        merge = _load("merge", folder / "merge.py")
        # as where peft is installed: else it hands its layers a LoRA scale that none takes any more
        merge.USE_PEFT_BACKEND = True
        return _load("utils", folder / "utils.py")


def load_older(folder: Path) -> types.ModuleType:
    """The script of the older extension (feffy380/sd-webui-token-downsampling), for ldm.

    It imports gradio and the host's modules for its settings page, which is never built here.
    """
    host = mock.MagicMock(spec=types.ModuleType)
    host.scripts = types.SimpleNamespace(Script=object)
    host.script_callbacks = host.shared = host.processing = mock.MagicMock()
    with _stand_ins(gradio=mock.MagicMock(), modules=host):
        return _load("older_token_downsampling", folder / "scripts" / "token_downsampling.py")


def load_hypertile(webui: Path) -> types.ModuleType:
    """HyperTile as it is built into AUTOMATIC1111's WebUI."""
    path = webui / "extensions-builtin" / "hypertile" / "hypertile.py"
    return _load("webui_hypertile", path)


def load_hidiffusion() -> Any:
    """The package hidiffusion, which looks for a module where older diffusers had it."""
    from diffusers.models.controlnets import multicontrolnet

    with _stand_ins(diffusers__pipelines__controlnet__multicontrolnet=multicontrolnet):
        import hidiffusion

    return hidiffusion


def load_tomesd() -> types.ModuleType:
    """The package tomesd."""
    import tomesd

    return tomesd
