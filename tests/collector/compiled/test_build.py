# SPDX-License-Identifier: GPL-2.0-or-later
"""How the compiled form is built, and what says that it cannot be."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from collector.compiled import build, sources
from tests.fuzz import corpus

CASES = 1500
_ALLOCATIONS = {
    # Each object alone in memory; Python itself ends without freeing all.
    "PYTHONMALLOC": "malloc",
    "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=0",
}


def _runtime(name: str) -> str:
    found = subprocess.run(
        ["cc", f"-print-file-name={name}"], check=True, capture_output=True, text=True
    )
    return found.stdout.strip()


def _run_sanitized(
    made: Path, cases: int, program: str = "tests.collector.compiled.sanitized"
) -> subprocess.CompletedProcess[str]:
    preload = f"{_runtime('libasan.so')} {_runtime('libubsan.so')}"
    return subprocess.run(
        [sys.executable, "-m", program, str(made), str(cases)],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | _ALLOCATIONS | {"LD_PRELOAD": preload},
    )


@pytest.mark.parametrize(
    ("module", "program"),
    [
        (sources.HOP, "tests.collector.compiled.sanitized"),
        (sources.RECORDS, "tests.collector.compiled.sanitized_records"),
        (sources.FRAMES, "tests.agent.compiled.sanitized"),
    ],
)
def test_nothing_is_read_or_written_out_of_bounds(
    tmp_path: Path, module: sources.Module, program: str
) -> None:
    """By the compiler's own checks of every access, over mutated packets of every sender."""
    done = _run_sanitized(build.build(module, tmp_path, sanitize=True), CASES, program)
    assert done.returncode == 0, done.stderr[-4000:]
    assert int(done.stdout) >= 2 * CASES + len(corpus.seeds())


def test_the_checks_see_an_access_out_of_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the comparison in the function that looks at single bytes they end the process."""
    folder = tmp_path / "collector" / "compiled"
    folder.mkdir(parents=True)
    for path in sources.HOP.folder.glob("*.p*"):
        (folder / path.name).write_text(path.read_text())
    text = folder / "text.pxi"
    guarded = "return text.data[at] if 0 <= at < text.size else -1"
    assert guarded in text.read_text()
    text.write_text(text.read_text().replace(guarded, "return text.data[at + 4096]"))
    monkeypatch.setattr(sources, "ROOT", tmp_path)
    done = _run_sanitized(build.build(sources.HOP, sanitize=True), 1)
    assert done.returncode != 0
    assert "AddressSanitizer: heap-buffer-overflow" in done.stderr


def test_what_is_missing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No compiler, no headers, or what the compiler says; and nothing is left behind."""
    monkeypatch.setenv("CC", "/bin/false")
    assert build.main([str(tmp_path)]) == 1
    assert "/bin/false" in capsys.readouterr().err
    monkeypatch.delenv("CC")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert build.main([str(tmp_path)]) == 1
    assert "install gcc" in capsys.readouterr().err
    monkeypatch.undo()
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path))
    assert build.main([str(tmp_path)]) == 1
    assert "install python3-dev" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_what_is_built_of_these_sources_stays(tmp_path: Path) -> None:
    """Other sources, other fingerprint: it is built again."""
    for module in sources.MODULES:
        made = build.path(module, tmp_path)
        assert not build.is_current(made)
        made.write_bytes(b"\0" + sources.fingerprint().encode() + b"\0")
    assert build.main(["--if-changed", str(tmp_path)]) == 0
    assert {path.stat().st_size for path in tmp_path.iterdir()} == {18}
    made.write_bytes(b"0123456789abcdef")
    assert not build.is_current(made)
