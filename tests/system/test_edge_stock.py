# SPDX-License-Identifier: GPL-2.0-or-later
"""The include in the distribution's own kamailio.cfg, with the lines of docs/kamailio.md."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from stack.service import ROOT, kamailio_program

PAGE = ROOT / "docs" / "kamailio.md"
_INSTALLED = "/opt/kemiscope"
"""Where the page says that our files are."""


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> str:
    """kamailio.cfg out of the package; the installed one when it is unchanged and there is no net.

    dpkg knows the checksum that the package's file has.
    """
    directory = tmp_path_factory.mktemp("package")
    done = subprocess.run(
        ["apt-get", "download", "kamailio"], cwd=directory, capture_output=True, check=False
    )
    packages = list(directory.glob("kamailio_*.deb"))
    if done.returncode == 0 and packages:
        subprocess.run(["dpkg-deb", "-x", packages[0], "."], cwd=directory, check=True)
        return (directory / "etc/kamailio/kamailio.cfg").read_text()
    listed = subprocess.run(
        ["dpkg-query", "-W", "-f=${Conffiles}", "kamailio"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    path = Path("/etc/kamailio/kamailio.cfg")
    found = re.search(rf"{path} ([0-9a-f]{{32}})", listed)
    assert found
    summed = subprocess.run(["md5sum", path], capture_output=True, text=True, check=True).stdout
    assert summed.startswith(found[1]), f"{path} was edited, and the package cannot be fetched"
    return path.read_text()


def _documented(kind: str) -> list[str]:
    """The code block of the page that follows the comment ``<!-- kind -->``."""
    found = re.search(rf"<!-- {kind} -->\n```\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found, kind
    return found[1].replace(_INSTALLED, str(ROOT)).splitlines()


def _with_lines(text: str) -> str:
    """The stock file with the lines of the page where the page says that they go."""
    text = text.replace(
        "#!KAMAILIO\n", "#!KAMAILIO\n" + "\n".join(_documented("defines")) + "\n", 1
    )
    modules = text.rindex('\nloadmodule "')
    end = text.index("\n", text.index("#!endif", modules))
    text = text[:end] + "\n" + "\n".join(_documented("include")) + text[end:]
    route = "request_route {\n"
    assert text.count(route) == 1
    return text.replace(route, route + "\n".join(_documented("route")) + "\n")


@pytest.mark.parametrize(
    "defines",
    [
        (),
        ("WITH_TRACE_CONTROL",),
        ("TRACE_EVERYTHING",),
        ("WITH_ANTIFLOOD",),
        ("WITH_NAT", "WITH_TLS", "WITH_TRACE_CONTROL"),
        ("WITH_JSONRPC", "WITH_TRACE_ROUTE"),
    ],
)
def test_kamailio_accepts_the_include_in_its_stock_configuration(
    stock: str, tmp_path: Path, defines: tuple[str, ...]
) -> None:
    """`kamailio -c`, with what the stock file can switch on as well."""
    config = tmp_path / "kamailio.cfg"
    config.write_text(_with_lines(stock))
    words = [word for name in defines for word in ("-A", name)]
    done = subprocess.run(
        [kamailio_program(), "-c", "-f", config, "-Y", tmp_path, *words],
        capture_output=True,
        text=True,
        check=False,
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    assert "config file ok" in output
    assert "ERROR" not in output


def test_the_stock_configuration_alone_is_what_we_think(stock: str) -> None:
    """The test above shows something only if none of our names is in it."""
    assert "TRACE_" not in stock
    assert "siptrace" not in stock
