"""What a host needs to start on the CPU, offline: its Python, a port and an environment."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest


def find_python(folder: Path, variable: str) -> Path:
    """The Python to run the program in `folder` with: what `variable` names, or a venv's.

    The venv is in the folder or beside it. Raises UsageError, which ends the run with one message
    where each test would end with the same error.
    """
    named = os.environ.get(variable)
    venvs = (folder / "venv", folder.parent / "venv")
    candidates = [Path(named)] if named else [venv / "bin" / "python" for venv in venvs]
    for python in candidates:
        if python.is_file():
            return python
    places = " nor ".join(map(str, candidates))
    raise pytest.UsageError(f"no Python at {places}: name the program's own in {variable}")


def tcmalloc() -> Path | None:
    """The allocator without which the host spends most of its time in page faults."""
    folders = ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib")
    names = ("libtcmalloc_minimal.so.4", "libtcmalloc.so.4")
    candidates = (Path(folder) / name for folder in folders for name in names)
    return next((path for path in candidates if path.exists()), None)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def environment(webui: Path, data: Path) -> dict[str, str]:
    """The process environment: offline, two threads, a fast allocator."""
    env = dict(os.environ)
    threads = env.get("SD_WEBUI_THREADS", "2")
    beside = webui.parent / "tiny-work" / "hf"
    hf_home = env.get("SD_WEBUI_HF_HOME") or (str(beside) if beside.is_dir() else None)
    env |= {
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "GRADIO_ANALYTICS_ENABLED": "False",
        "GRADIO_TEMP_DIR": str(data / "tmp"),
        "OMP_NUM_THREADS": threads,
        "OMP_WAIT_POLICY": "passive",
        "PYTHONUNBUFFERED": "1",
        "SD_WEBUI_RESTARTING": "1",  # Keeps a browser from being opened.
    }
    # A user's own arguments or virtual environment must not reach the host under test.
    for name in ("COMMANDLINE_ARGS", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"):
        env.pop(name, None)
    if hf_home:
        env["HF_HOME"] = hf_home
    allocator = tcmalloc()
    if allocator:
        env |= {"LD_PRELOAD": str(allocator), "TCMALLOC_RELEASE_RATE": "0"}
    return env
