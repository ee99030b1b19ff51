# SPDX-License-Identifier: GPL-2.0-or-later
"""Session descriptions and multipart bodies for tests."""

from __future__ import annotations


def description(*media: str, ip: str = "192.0.2.1") -> bytes:
    """A description with a session-level ``c=``; each of ``media`` is the lines of a stream."""
    family = 6 if ":" in ip else 4
    lines = ["v=0", f"o=- 1 1 IN IP{family} {ip}", "s=-", f"c=IN IP{family} {ip}", "t=0 0", *media]
    return "".join(line.replace("\n", "\r\n") + "\r\n" for line in lines).encode()


def multipart(*parts: tuple[str, bytes], boundary: str = "b1") -> bytes:
    """Parts of content type and bytes (RFC 2046 §5.1)."""
    text = b"".join(
        f"--{boundary}\r\nContent-Type: {content}\r\n\r\n".encode() + body + b"\r\n"
        for content, body in parts
    )
    return b"preamble\r\n" + text + f"--{boundary}--\r\n".encode()
