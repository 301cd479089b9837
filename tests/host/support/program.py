"""A program under test: where it is installed; started on a free port, waited for, stopped."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest
import requests

STOP_SECONDS = 10
# the hosts' own race: a request while the page is being built ends the start
RACE = "Cannot add middleware after an application has started"


class HostError(RuntimeError):
    """The program did not start, or answered a request with an error."""


@dataclass(frozen=True)
class Installed:
    """A program on this machine: `{prefix}_DIR` names its folder, `{prefix}_PYTHON` its Python."""

    name: str
    prefix: str
    # what has to be in the folder
    files: tuple[str, ...]

    def why_not(self) -> str | None:
        """Why its tests cannot run here, or None."""
        folder = os.environ.get(f"{self.prefix}_DIR")
        if not folder:
            return f"{self.prefix}_DIR does not name a {self.name}"
        missing = [name for name in self.files if not Path(folder, name).exists()]
        return f"{self.prefix}_DIR={folder} has no {', '.join(missing)}" if missing else None

    def folder(self) -> Path:
        """Its folder; skips the test where there is none."""
        if reason := self.why_not():
            pytest.skip(reason)
        return Path(os.environ[f"{self.prefix}_DIR"]).resolve()

    def python(self) -> Path:
        """The Python to run it with: what the variable names, or a venv's in or beside it."""
        named = os.environ.get(f"{self.prefix}_PYTHON")
        venvs = (self.folder() / "venv", self.folder().parent / "venv")
        candidates = [Path(named)] if named else [venv / "bin" / "python" for venv in venvs]
        for python in candidates:
            if python.is_file():
                return python
        places = " nor ".join(map(str, candidates))
        pytest.fail(f"no Python at {places}: name the program's own in {self.prefix}_PYTHON")


class Program:
    """One running program, as a context manager.

    A subclass has the program's `name`, the `_folder` of its files, and `_command`,
    `_lay_out_data` (its settings, extensions and outputs) and `_is_up` (whether it answers; may
    raise a RequestException).
    """

    most_start_seconds = 400.0

    def __init__(self, data: Path) -> None:
        self.data = data
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port = int(listener.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_path = data / "host.log"
        self._log: IO[bytes] | None = None
        self._log_begins = 0
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Any:
        """Start it and return when it answers; a failed start leaves no process behind."""
        self._lay_out_data()
        try:
            self._start_once()
        except HostError:
            if RACE not in self.log():
                raise
            self._start_once()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _environment(self) -> dict[str, str]:
        """Offline, two threads, a fast allocator."""
        env = dict(os.environ)
        # a user's own arguments or virtual environment must not reach the host under test
        for name in ("COMMANDLINE_ARGS", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"):
            env.pop(name, None)
        env |= {
            "HF_HUB_OFFLINE": "1",
            "TRANSFORMERS_OFFLINE": "1",
            "GRADIO_ANALYTICS_ENABLED": "False",
            "GRADIO_TEMP_DIR": str(self.data / "tmp"),
            "OMP_NUM_THREADS": env.get("SD_WEBUI_THREADS", "2"),
            "OMP_WAIT_POLICY": "passive",
            "PYTHONUNBUFFERED": "1",
            "SD_WEBUI_RESTARTING": "1",  # keeps a browser from being opened
        }
        beside = self._folder.parent / "tiny-work" / "hf"
        if "SD_WEBUI_HF_HOME" in env or beside.is_dir():
            env["HF_HOME"] = env.get("SD_WEBUI_HF_HOME") or str(beside)
        # without it the host spends most of its time in page faults
        allocators = Path("/usr/lib").glob("*-linux-gnu/libtcmalloc*.so.4")
        if allocator := next(allocators, None):
            env |= {"LD_PRELOAD": str(allocator), "TCMALLOC_RELEASE_RATE": "0"}
        return env

    def _start_once(self) -> None:
        self._log = self.log_path.open("ab")
        self._log_begins = len(self.log())
        self._process = subprocess.Popen(
            self._command(),
            cwd=self._folder,
            env=self._environment(),
            stdout=self._log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            self._wait_until_up()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop it by its process id, and whatever it started."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
        self._process = None
        if self._log is not None:
            self._log.close()
            self._log = None

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + self.most_start_seconds
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                raise HostError(f"{self.name} ended while starting:\n{self.log_tail()}")
            try:
                if self._is_up():
                    return
            except requests.RequestException:
                pass
            if RACE in self.log()[self._log_begins :]:
                break
            time.sleep(0.25)
        raise HostError(f"{self.name} did not come up:\n{self.log_tail()}")

    def log(self) -> str:
        """Everything that it has printed so far."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def log_tail(self, lines: int = 40) -> str:
        return "\n".join(self.log().splitlines()[-lines:])

    @contextmanager
    def log_since(self) -> Iterator[list[str]]:
        """Collect the lines that it logs inside the `with` block."""
        before = len(self.log())
        lines: list[str] = []
        try:
            yield lines
        finally:
            lines += self.log()[before:].splitlines()
