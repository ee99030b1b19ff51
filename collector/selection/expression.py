# SPDX-License-Identifier: GPL-2.0-or-later
"""The language of ``filter.discard_expression``: conditions over the fields of a packet.

Its grammar is a small part of Python's: comparisons, ``in``, ``and``, ``or``, ``not``, text and
number literals, and three functions. Everything else is refused when the settings are read, types
included, so that nothing can go wrong with a packet. Patterns are RE2: linear in the length of the
text, whatever a sender writes.
"""

from __future__ import annotations

import ast
import ipaddress
from collections.abc import Callable
from enum import Enum
from typing import Any, Final

import re2

from collector import row
from collector.networks import Networks
from collector.selection.candidate import Candidate
from collector.sip import COLUMN_FIELDS, Sip

MAX_LENGTH: Final = 1000
"""Characters; deeper nesting than they allow is no use to anybody."""

Condition = Callable[[Candidate], bool]


class Type(Enum):
    """Of a value in an expression."""

    TEXT = "text"
    NUMBER = "number"
    ADDRESS = "address"
    CONDITION = "condition"


def _of_message(name: str) -> Callable[[Candidate], bytes]:
    position = Sip._fields.index(name)

    def get(candidate: Candidate) -> bytes:
        message = candidate.message
        return message[position] if message else b""  # type: ignore[return-value]

    return get


def _transport(candidate: Candidate) -> bytes:
    via = candidate.message.via_transport if candidate.message else b""
    return row.transport(candidate.packet.protocol, via)


FIELDS: Final[dict[str, tuple[Type, Callable[[Candidate], Any]]]] = {
    **{
        name: (Type.TEXT, _of_message(name))
        for name in COLUMN_FIELDS
        if name not in ("kind", "status", "cseq", "fault", "via_transport", "call_id")
    },
    "kind": (Type.TEXT, lambda c: c.message.kind.label.encode() if c.message else b""),
    "status": (Type.NUMBER, lambda c: c.message.status if c.message else 0),
    "call_id": (Type.TEXT, lambda c: c.call_id),
    "correlation_id": (Type.TEXT, lambda c: c.packet.correlation_id),
    "node": (Type.TEXT, lambda c: c.node),
    "transport": (Type.TEXT, _transport),
    "raw": (Type.TEXT, lambda c: c.packet.payload),
    "type": (Type.NUMBER, lambda c: c.packet.type),
    "capture_id": (Type.NUMBER, lambda c: c.packet.capture_id),
    "vlan": (Type.NUMBER, lambda c: c.packet.vlan),
    "size": (Type.NUMBER, lambda c: len(c.packet.payload)),
    "src_port": (Type.NUMBER, lambda c: c.packet.src_port),
    "dst_port": (Type.NUMBER, lambda c: c.packet.dst_port),
    "src_ip": (Type.ADDRESS, lambda c: c.packet.src_ip),
    "dst_ip": (Type.ADDRESS, lambda c: c.packet.dst_ip),
}
"""Name → type and value. Absent text is empty, an absent number 0."""

_ORDERED: Final = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_MEMBERSHIP: Final = (ast.In, ast.NotIn)
_EQUALITY: Final = (ast.Eq, ast.NotEq)


def compile_condition(text: str) -> Condition:
    """A function that says whether the expression is true; ValueError says what is wrong."""
    if len(text) > MAX_LENGTH:
        message = f"is longer than {MAX_LENGTH} characters"
        raise ValueError(message)
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        message = f"cannot be read: {getattr(error, 'msg', error)}"
        raise ValueError(message) from None
    return _condition(tree)


def _condition(node: ast.expr) -> Condition:
    match node:
        case ast.BoolOp(op=ast.And(), values=values):
            parts = tuple(map(_condition, values))
            return lambda candidate: all(part(candidate) for part in parts)
        case ast.BoolOp(op=ast.Or(), values=values):
            parts = tuple(map(_condition, values))
            return lambda candidate: any(part(candidate) for part in parts)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            part = _condition(operand)
            return lambda candidate: not part(candidate)
        case ast.Compare(left=left, ops=[operator], comparators=[right]):
            return _comparison(left, operator, right)
        case ast.Call(func=ast.Name(id=name), args=[field, literal], keywords=[]):
            return _call(name, field, literal)
    raise _error(node, "is no condition")


def _comparison(left: ast.expr, operator: ast.cmpop, right: ast.expr) -> Condition:
    if isinstance(operator, _MEMBERSHIP):
        found = _membership(left, right)
        if isinstance(operator, ast.NotIn):
            return lambda candidate: not found(candidate)
        return found
    kind, get = _field(left)
    expected = _literal(right, kind)
    if isinstance(operator, _EQUALITY):
        if isinstance(operator, ast.NotEq):
            return lambda candidate: get(candidate) != expected
        return lambda candidate: get(candidate) == expected
    if not isinstance(operator, _ORDERED) or kind is not Type.NUMBER:
        raise _error(left, "can only be compared with == and !=")
    match operator:
        case ast.Lt():
            return lambda candidate: get(candidate) < expected
        case ast.LtE():
            return lambda candidate: get(candidate) <= expected
        case ast.Gt():
            return lambda candidate: get(candidate) > expected
    return lambda candidate: get(candidate) >= expected


def _membership(left: ast.expr, right: ast.expr) -> Condition:
    if isinstance(left, ast.Constant):  # "text" in field
        kind, get = _field(right)
        if kind is not Type.TEXT:
            raise _error(right, "is no text to look into")
        part = _literal(left, Type.TEXT)
        return lambda candidate: part in get(candidate)
    kind, get = _field(left)
    if not isinstance(right, ast.Tuple | ast.List | ast.Set):
        raise _error(right, 'is no list like ("a", "b")')
    allowed = frozenset(_literal(item, kind) for item in right.elts)
    return lambda candidate: get(candidate) in allowed


def _call(name: str, field: ast.expr, literal: ast.expr) -> Condition:
    kind, get = _field(field)
    if name == "in_network" and kind is Type.ADDRESS:
        return _in_network(get, literal)
    if kind is not Type.TEXT or name not in ("matches", "startswith", "endswith"):
        raise _error(
            field, "needs startswith, endswith or matches for text, in_network for an address"
        )
    text = _literal(literal, Type.TEXT)
    if name == "startswith":
        return lambda candidate: get(candidate).startswith(text)
    if name == "endswith":
        return lambda candidate: get(candidate).endswith(text)
    search = compile_pattern(text).search
    return lambda candidate: search(get(candidate)) is not None


def compile_pattern(pattern: bytes) -> re2.Pattern[bytes]:
    """An RE2 pattern over bytes; ValueError if it is none."""
    options = re2.Options()
    options.log_errors = False
    options.encoding = re2.Options.Encoding.LATIN1
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        detail = error.args[0] if error.args else b""
        text = detail.decode("utf-8", "replace") if isinstance(detail, bytes) else str(detail)
        message = f"{pattern.decode()!r} is no pattern: {text}"
        raise ValueError(message) from None


def _in_network(get: Callable[[Candidate], Any], literal: ast.expr) -> Condition:
    text = literal.value if isinstance(literal, ast.Constant) else None
    if not isinstance(text, str):
        raise _error(literal, 'is no network like "10.0.0.0/8"')
    networks = Networks([text])
    return lambda candidate: get(candidate) in networks


def _field(node: ast.expr) -> tuple[Type, Callable[[Candidate], Any]]:
    if isinstance(node, ast.Name) and node.id in FIELDS:
        return FIELDS[node.id]
    raise _error(node, f"is no field; there are {', '.join(sorted(FIELDS))}")


def _literal(node: ast.expr, kind: Type) -> Any:
    """The value of a literal as the field has it: text and addresses are bytes."""
    value = node.value if isinstance(node, ast.Constant) else None
    if kind is Type.NUMBER and type(value) is int:
        return value
    if kind is Type.TEXT and isinstance(value, str):
        return value.encode()
    if kind is Type.ADDRESS and isinstance(value, str):
        try:
            return ipaddress.ip_address(value).packed
        except ValueError:
            pass
    raise _error(node, f"is no {kind.value}")


def _error(node: ast.expr, text: str) -> ValueError:
    return ValueError(f"{ast.unparse(node)} {text}")
