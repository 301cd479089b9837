"""A program under test: started on a free port, waited for, stopped by its id, its log read."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, TypeVar

import requests
from launching import free_port

STOP_SECONDS = 10
T = TypeVar("T", bound="Program")


class HostError(RuntimeError):
    """The program did not start, or answered a request with an error."""


class Program:
    """One running program; use it as a context manager, or call `start` and `stop`.

    A kind of program says how: `_lay_out_data`, `_folder`, `_command`, `_environment`, `_is_up`.
    """

    name = "the program"
    most_start_seconds = 400.0

    def __init__(self, data: Path) -> None:
        self.data = data
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_path = data / "host.log"
        self.start_seconds = 0.0
        self._log: IO[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self: T) -> T:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _lay_out_data(self) -> None:
        """Make the folder of its settings, extensions and outputs."""
        raise NotImplementedError

    def _folder(self) -> Path:
        """Where its own files are."""
        raise NotImplementedError

    def _command(self) -> list[str]:
        raise NotImplementedError

    def _environment(self) -> dict[str, str]:
        raise NotImplementedError

    def _is_up(self) -> bool:
        """Whether it answers; may raise a RequestException."""
        raise NotImplementedError

    def start(self) -> None:
        """Start it and return when it answers; a failed start leaves no process behind."""
        self._lay_out_data()
        self._log = self.log_path.open("ab")
        began = time.monotonic()
        self._process = subprocess.Popen(
            self._command(),
            cwd=self._folder(),
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
        self.start_seconds = time.monotonic() - began

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
            time.sleep(0.25)
        seconds = self.most_start_seconds
        raise HostError(f"{self.name} was not up after {seconds:g} s:\n{self.log_tail()}")

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
