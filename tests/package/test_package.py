"""The package: what the archives hold, and the README's example from an installed wheel."""

from __future__ import annotations

import email
import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
from markdown import ROOT, blocks

import lib_todo

pytest.importorskip("diffusers", reason="needs requirements/demo.txt")
LIBRARY = {
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "lib_todo").rglob("*")
    if path.is_file() and "__pycache__" not in path.parts
}
# pip's settings from outside could bring in packages of other folders
CLEAN = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith("PIP_") and name != "PYTHONPATH"
}


def python(*arguments: str | Path, **options: object) -> str:
    """What this Python prints, called with the arguments."""
    return run(sys.executable, *arguments, env=CLEAN, **options)


def run(*command: str | Path, **options: object) -> str:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sdist")
    build = f"from hatchling.build import build_sdist; build_sdist({str(folder)!r})"
    python("-c", build, cwd=ROOT)
    return next(folder.iterdir())


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the source archive, by pip, which shows that nothing is missing there."""
    folder = tmp_path_factory.mktemp("wheel")
    offline = ("--no-index", "--no-deps", "--no-build-isolation")
    python("-m", "pip", "--isolated", "wheel", *offline, "--wheel-dir", folder, sdist)
    return next(folder.iterdir())


def test_the_source_archive_holds_the_library_and_its_papers(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        top = f"sd_webui_todo-{lib_todo.__version__}/"
        names = {name.removeprefix(top) for name in archive.getnames()}
    papers = {"README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml", "PKG-INFO", ".gitignore"}
    assert names == LIBRARY | papers


def test_the_wheel_holds_the_library_alone_and_says_what_it_needs(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (described,) = (name for name in names if name.endswith("/METADATA"))
        metadata = email.message_from_bytes(archive.read(described))
    assert {name for name in names if ".dist-info/" not in name} == LIBRARY
    assert "lib_todo/py.typed" in names
    assert (metadata["Name"], metadata["Version"]) == ("sd-webui-todo", lib_todo.__version__)
    assert (metadata["License-Expression"], metadata["Requires-Python"]) == ("MIT", ">=3.10")
    needed = [text for text in metadata.get_all("Requires-Dist") if "extra ==" not in text]
    assert needed == ["einops", "torch>=2.1"]


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an empty environment beside this one's torch, with the wheel installed.

    pip checks the wheel's requirements there, and has no index to fetch a missing one from.
    """
    folder = tmp_path_factory.mktemp("empty")
    venv.create(folder, symlinks=True)
    executable = folder / "bin" / "python"
    own = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    # as a site folder, so that the .pth files in it count too
    outer = sysconfig.get_path("purelib")
    (own / "beside.pth").write_text(f"import site; site.addsitedir({outer!r})\n")
    python("-m", "pip", "--isolated", "--python", executable, "install", "--no-index", wheel)
    return executable


EXAMPLE = """
import json, sys
from diffusers_models import sd_pipeline
from pathlib import Path

pipeline = sd_pipeline(Path("models"))
pipe = lambda prompt, **options: pipeline(prompt, num_inference_steps=1, **options)
exec(open("example.py").read())

import importlib.metadata, lib_todo
print(json.dumps({
    "inside": Path(lib_todo.__file__).is_relative_to(sys.prefix),
    "version": importlib.metadata.version("sd-webui-todo"),
    "pooled": [[*keys, tally.calls] for keys, tally in report.pooled.items()],
}))
"""


def test_the_readmes_example_runs_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    example = next(b for b in blocks(ROOT / "README.md") if "token_downsampling(" in b.text)
    (tmp_path / "example.py").write_text(example.text)
    helper = ROOT / "tests" / "diffusers_models.py"
    (tmp_path / helper.name).symlink_to(helper)
    (tmp_path / "run.py").write_text(EXAMPLE)
    # the folder of the script alone comes first on the path: a link would lead back to tests/
    environment = {**CLEAN, "PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"}
    told = json.loads(run(installed, "run.py", cwd=tmp_path, env=environment).splitlines()[-1])
    assert (told["inside"], told["version"]) == (True, lib_todo.__version__)
    # the tokens of 1024 pixels
    largest, after, _ = max(told["pooled"])
    assert largest == 128 * 128 > after
