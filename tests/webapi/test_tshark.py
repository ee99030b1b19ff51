# SPDX-License-Identifier: GPL-2.0-or-later
"""The child that decodes: what it may, and what happens when it does not behave.

Programs that misbehave stand in for tshark: it cannot be made to on demand.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from tempfile import gettempdir

import orjson
import pytest

from webapi import tshark
from webapi.errors import ApiError
from webapi.tshark import Tshark

TIMEOUT_S = 5.0


def _program(directory: Path, script: str) -> str:
    """A program of Python that another user can run, too."""
    path = directory / "program"
    path.write_text(f"#!/usr/bin/python3\nimport os, sys, json, time, resource\n{script}\n")
    # pytest makes its directories for this user only, four of them.
    for entry in (path, *path.parents[:4]):
        if entry.is_relative_to(gettempdir()) and entry != Path(gettempdir()):
            entry.chmod(0o755)
    return str(path)


async def _refused(script: str, directory: Path, timeout_s: float = TIMEOUT_S) -> ApiError:
    with pytest.raises(ApiError) as caught:
        await Tshark(_program(directory, script), timeout_s).dissect(b"x" * 100_000)
    return caught.value


def _answer(expression: str) -> str:
    """A script that gives this value as its only packet."""
    return (
        f"sys.stdin.buffer.read()\nprint(json.dumps([{{'_source': {{'layers': {expression}}}}}]))"
    )


async def test_the_child_has_no_privileges_and_no_configuration(tmp_path: Path) -> None:
    """Nor a home, nor what the service's environment says, and its limits are set."""
    script = _answer(
        "{'user': os.geteuid(), 'groups': os.getgroups(), 'environment': dict(os.environ),"
        " 'directory': os.getcwd(), 'open': sorted(map(int, os.listdir('/proc/self/fd'))),"
        " 'limits': [resource.getrlimit(getattr(resource, 'RLIMIT_' + name))[1]"
        " for name in ('AS', 'CPU', 'FSIZE', 'CORE')]}"
    )
    (found,) = orjson.loads(await Tshark(_program(tmp_path, script), TIMEOUT_S).dissect(b""))
    if os.geteuid() == 0:
        assert found["user"] != 0
        assert set(found["groups"]) <= {found["user"]}
    assert found["environment"]["HOME"] == "/nonexistent"
    assert not {name for name in found["environment"] if name.startswith("KEMISCOPE")}
    assert found["directory"] == "/"
    assert found["limits"] == [1 << 30, int(TIMEOUT_S) + 1, 0, 0]
    assert found["open"][:3] == [0, 1, 2]
    assert len(found["open"]) <= 4  # with that of the list itself


async def test_a_child_that_hangs_is_ended(tmp_path: Path) -> None:
    """In time, and whether it reads its input or not."""
    for script in ("time.sleep(600)", "sys.stdin.buffer.read(); time.sleep(600)"):
        error = await _refused(script, tmp_path, timeout_s=0.5)
        assert (error.status, error.code) == (503, "decode_timeout")


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("sys.exit(3)", "status 3"),
        ("os.kill(os.getpid(), 11)", "status -11"),
        ("x = bytearray(4 << 30)", "status 1"),
        ("sys.stdin.buffer.read(); print('garbage')", "not what it should be"),
        ("sys.stdin.buffer.read(); print('[{}]')", "not what it should be"),
        ("sys.stdin.buffer.read(); print('[' * 100000)", "not what it should be"),
        (
            """sys.stdin.buffer.read()
print('[{"_source": {"layers": ' + '[' * 500 + ']' * 500 + '}}]')""",
            "more levels",
        ),
        ("while True: os.write(1, b'x' * 65536)", "says more"),
        ("while True: os.write(2, b'x' * 65536)", "says more"),
    ],
    ids=["fails", "crashes", "memory", "garbage", "other", "deep", "levels", "output", "errors"],
)
async def test_a_child_that_fails_is_an_answer(
    tmp_path: Path, script: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """502 in the one shape, without what it said: that may be of the message."""
    monkeypatch.setattr(tshark, "MAX_OUTPUT", 1 << 20)
    error = await _refused(script, tmp_path)
    assert (error.status, error.code) == (502, "decode_failed")
    assert expected in str(error)
    assert "xx" not in str(error)


async def test_only_so_many_run_at_the_same_time(tmp_path: Path) -> None:
    """The next one is refused at once, and allowed when they have ended."""
    program = Tshark(_program(tmp_path, "time.sleep(600)"), 1.0)
    running = [asyncio.create_task(program.dissect(b"")) for _ in range(tshark.MAX_RUNNING)]
    await asyncio.sleep(0)
    with pytest.raises(ApiError) as caught:
        await program.dissect(b"")
    assert (caught.value.status, caught.value.code) == (503, "too_many_decodings")
    ended = await asyncio.gather(*running, return_exceptions=True)
    assert [getattr(error, "code", None) for error in ended] == ["decode_timeout"] * len(running)
    with pytest.raises(ApiError, match="longer"):
        await program.dissect(b"")


async def test_a_request_that_is_given_up_leaves_no_child(tmp_path: Path) -> None:
    """The client has gone: what was decoded for it ends."""
    program = _program(tmp_path, "time.sleep(600)")
    task = asyncio.create_task(Tshark(program, 60.0).dissect(b""))
    while not (found := _children(program)):  # noqa: ASYNC110 (nothing tells)
        await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert found
    assert not _children(program)


def _children(program: str) -> list[int]:
    """Processes that run the program."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if program.encode() in words and b"prlimit" not in words[0]:
            found.append(int(path.parent.name))
    return found
