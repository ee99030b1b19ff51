# SPDX-License-Identifier: GPL-2.0-or-later
"""HEP over TLS with real clients: certificates of both sides, versions, reload."""

from __future__ import annotations

import asyncio
import logging
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from collector.causes import Cause
from collector.errors import SettingsError
from collector.journal import record, segment
from collector.journal.record import Transport
from collector.listener.tls import make_context
from collector.settings.receiving import Tls
from stack import certificate
from stack.certificate import Certificate
from tests.fix_listener import Certificates, Server, StartListener, until, until_closed
from tests.sip_text import packet, request

GOOD = packet(request())


async def _is_turned_away(server: Server, context: ssl.SSLContext) -> None:
    """With TLS 1.3 a client learns only when it reads that it was refused."""
    try:
        reader, writer = await server.connect("tls", tls=context)
        writer.write(GOOD)
        assert await reader.read() == b""
    except (ssl.SSLError, ConnectionError):
        pass


async def _shown(server: Server, context: ssl.SSLContext) -> tuple[object, ...]:
    """Connect, send a packet, and return the subject of the certificate that was shown."""
    _, writer = await server.connect("tls", tls=context)
    writer.write(GOOD)
    peer = writer.get_extra_info("peercert")
    subject: tuple[object, ...] = peer["subject"]
    return subject


async def test_packets_come_through_however_they_are_cut(
    start_listener: StartListener, certificates: Certificates
) -> None:
    """One byte a record, many packets a record, many records a packet."""
    server = await start_listener("tls")
    packets = [packet(request(number=number + 1)) for number in range(1000)]
    packets.append(packet(request(body=bytes(60_000))))
    reader, writer = await server.connect("tls", tls=certificates.trusting())
    for byte in packets[0]:
        writer.write(bytes([byte]))
        await writer.drain()
    writer.write(b"".join(packets[1:]))
    found = await server.journaled(1001)
    assert [entry.packet for entry in found] == packets
    assert {entry.transport for entry in found} == {Transport.TLS}
    assert {record.format_address(entry.peer) for entry in found} == {"127.0.0.1"}
    assert not reader.at_eof()
    assert server.causes() == {}


async def test_a_bad_frame_closes_the_connection_once(
    start_listener: StartListener, certificates: Certificates
) -> None:
    """As over TCP."""
    server = await start_listener("tls")
    reader, writer = await server.connect("tls", tls=certificates.trusting())
    writer.write(GOOD + b"GET / HTTP/1.1\r\n\r\n")
    assert await until_closed(reader) == b""
    assert [entry.packet for entry in server.records()] == [GOOD]
    assert server.causes() == {Cause.NOT_HEP: 1}
    await until(lambda: not server.connections)


async def test_a_full_journal_makes_the_sender_wait(
    start_listener: StartListener, certificates: Certificates
) -> None:
    """Reading pauses behind the encryption as well."""
    server = await start_listener("tls", writer={"segment_bytes": 1 << 16, "max_bytes": 1 << 17})
    packets = [packet(request(number=number + 1, body=b"x" * 5000)) for number in range(200)]
    _, writer = await server.connect("tls", tls=certificates.trusting())
    writer.write(b"".join(packets))
    taken: list[bytes] = []

    def read_all() -> bool:
        for found in segment.in_slot(server.journal / f"{server.writer.slot:02d}")[:-1]:
            data, offset = found.path.read_bytes(), segment.HEADER_BYTES
            while (entry := record.unpack(data, offset)) is not None:
                taken.append(entry.packet)
                offset = entry.end
            found.path.unlink()
        return len(taken) + len(server.records()) == len(packets)

    await until(read_all)
    assert [*taken, *(entry.packet for entry in server.records())] == packets
    assert server.causes() == {}


async def test_a_client_certificate_is_demanded(
    start_listener: StartListener, certificates: Certificates
) -> None:
    """One of the named authority is let in; none, and one of somebody else, are not."""
    server = await start_listener("tls", "wss", TLS_CLIENT_CA=certificates.ca.certificate)
    await _is_turned_away(server, certificates.trusting())
    await _is_turned_away(server, certificates.trusting(certificates.stranger))
    await until(lambda: server.causes() == {Cause.STREAM_PROTOCOL: 2})
    assert server.records() == []
    _, writer = await server.connect("tls", tls=certificates.trusting(certificates.client))
    writer.write(GOOD)
    await server.journaled(1)
    assert server.refused() == {("127.0.0.1", Cause.STREAM_PROTOCOL): 2}
    await until(lambda: len(server.connections) == 1)


async def test_without_an_authority_no_certificate_is_asked_for(
    start_listener: StartListener, certificates: Certificates
) -> None:
    """A client that has one does no harm."""
    server = await start_listener("tls")
    for client in (None, certificates.client, certificates.stranger):
        await _shown(server, certificates.trusting(client))
    await server.journaled(3)
    assert server.causes() == {}


@pytest.mark.parametrize(
    ("lowest", "spoken", "is_let_in"),
    [
        ("1.2", ssl.TLSVersion.TLSv1_3, True),
        ("1.2", ssl.TLSVersion.TLSv1_2, True),
        ("1.3", ssl.TLSVersion.TLSv1_3, True),
        ("1.3", ssl.TLSVersion.TLSv1_2, False),
    ],
)
async def test_the_lowest_version(
    start_listener: StartListener,
    certificates: Certificates,
    lowest: str,
    spoken: ssl.TLSVersion,
    is_let_in: bool,
) -> None:
    """Below it there is no handshake."""
    server = await start_listener("tls", TLS_MIN_VERSION=lowest)
    context = certificates.trusting()
    context.minimum_version = context.maximum_version = spoken
    if is_let_in:
        await _shown(server, context)
        await server.journaled(1)
    else:
        await _is_turned_away(server, context)
        await until(lambda: server.causes() == {Cause.STREAM_PROTOCOL: 1})


async def test_what_is_not_tls_closes_only_that_connection(
    start_listener: StartListener, certificates: Certificates
) -> None:
    """HEP in clear at the wrong port is counted; a probe that sends nothing is not."""
    server = await start_listener("tls", "wss")
    for protocol in ("tls", "wss"):
        reader, writer = await server.connect(protocol)
        writer.write(GOOD)
        await until_closed(reader)
        _, probe = await server.connect(protocol)
        probe.close()
    await until(lambda: not server.connections)
    assert server.causes() == {Cause.STREAM_PROTOCOL: 2}
    await _shown(server, certificates.trusting())
    await server.journaled(1)


async def test_a_handshake_that_takes_too_long_is_ended(start_listener: StartListener) -> None:
    """And until then it takes a place."""
    server = await start_listener("tls", HEP_HANDSHAKE_TIMEOUT="500ms")
    reader, _ = await server.connect("tls")
    await until(lambda: len(server.connections) == 1)
    await until_closed(reader)
    await until(lambda: not server.connections)
    assert server.causes() == {Cause.STREAM_PROTOCOL: 1}


async def test_a_new_certificate_is_used_without_a_restart(
    start_listener: StartListener,
    certificates: Certificates,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """By new connections; open ones go on. Files that are broken are logged once, and the old
    certificate stays in force.
    """
    caplog.set_level(logging.INFO)
    files = Certificate(tmp_path / "node.pem", tmp_path / "node.key")
    _copy(certificates.server, files)
    server = await start_listener("tls", TLS_CERTIFICATE=files.certificate, TLS_KEY=files.key)
    context = certificates.trusting()
    _, old = await server.connect("tls", tls=context)
    before = await _shown(server, context)
    assert "server" in str(before)

    files.certificate.write_text("-----BEGIN CERTIFICATE-----\nnonsense\n")
    assert [await _shown(server, context) for _ in range(3)] == [before] * 3
    await asyncio.sleep(1.2)  # two looks of the server's own
    (line,) = [text for text in caplog.messages if "stays in force" in text]
    assert str(files.certificate) in line

    files.certificate.unlink()
    assert await _shown(server, context) == before
    assert len([text for text in caplog.messages if "stays in force" in text]) == 2

    _copy(certificate.make(tmp_path / "new", "renewed", issuer=certificates.ca), files)
    assert "renewed" in str(await _shown(server, context))
    assert "was read again" in caplog.text
    old.write(GOOD)
    await server.journaled(7)
    assert server.causes() == {}


@pytest.mark.parametrize("broken", ["certificate", "key", "client_ca"])
@pytest.mark.parametrize("how", ["missing", "nonsense", "empty"])
def test_a_file_that_cannot_be_used_is_named_at_the_start(
    certificates: Certificates, tmp_path: Path, broken: str, how: str
) -> None:
    """With its setting."""
    path = tmp_path / "broken"
    if how != "missing":
        path.write_text("nonsense" * (how == "nonsense"))
    values = {
        "certificate": str(certificates.server.certificate),
        "key": str(certificates.server.key),
        "client_ca": str(certificates.ca.certificate),
    }
    with pytest.raises(SettingsError, match=rf"tls\.{broken} {path}|tls\.key {path}"):
        make_context(Tls(**values | {broken: str(path)}))


def test_a_key_of_another_certificate_or_with_a_pass_phrase_is_refused(
    certificates: Certificates, tmp_path: Path
) -> None:
    """Nobody is there who could type it."""
    locked = tmp_path / "locked.key"
    subprocess.run(
        [
            *("openssl", "pkey", "-in", str(certificates.server.key), "-aes256"),
            *("-passout", "pass:secret", "-out", str(locked)),
        ],
        check=True,
        capture_output=True,
    )
    for key in (certificates.client.key, locked):
        with pytest.raises(SettingsError, match=rf"and tls\.key {key}"):
            make_context(Tls(certificate=str(certificates.server.certificate), key=str(key)))


def _copy(source: Certificate, target: Certificate) -> None:
    for old, new in zip(source, target, strict=True):
        shutil.copyfile(old, new)
