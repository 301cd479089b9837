"""The benchmark's command line: what it refuses, and what `--quick` sets."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.arguments import parse


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--quick --docs page.md", "--docs with --quick: the numbers of --quick mean nothing"),
        ("--quick --parts report", "--parts report with --quick: --quick always measures"),
        ("--parts report", "results.json; measure first"),
        ("--variants ToMe", "--variants 'ToMe': at these enlargements one of ToDo nearest,"),
        ("--methods ToMe", "invalid choice: 'ToMe'"),
        ("--enlargements 1 2", "--enlargements 1: nothing is pooled below 2"),
        ("--clock kernels --device cpu", "--device cpu: it is for a GPU of CUDA"),
        ("--threshold 0", "--threshold 0: ToDo: threshold = 0 is not allowed"),
        ("--native 8", "--native 8: ToDo: threshold = 0 is not allowed"),
    ],
)
def test_what_makes_no_sense_is_refused(
    words: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse([*words.split(), "--out", str(tmp_path)])
    assert told in capsys.readouterr().err


def test_a_report_of_what_is_there_is_not_refused(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text("{}")
    assert parse(["--parts", "report", "--out", str(tmp_path)]).parts == ["report"]


def test_quick_has_a_folder_of_its_own_and_begins_anew(tmp_path: Path) -> None:
    kept, gone = tmp_path / "results.json", tmp_path / "quick" / "results.json"
    gone.parent.mkdir()
    for path in (kept, gone):
        path.write_text("{}")
    args = parse(["--quick", "--out", str(tmp_path)])
    assert (args.rounds, args.sizes, args.architectures) == (1, [256], ["narrow"])
    assert args.out == gone.parent
    assert (kept.exists(), gone.exists()) == (True, False)
