# SPDX-License-Identifier: GPL-2.0-or-later
"""What a section of the settings is made of: fields with their rule, unit and help."""

from __future__ import annotations

from typing import Any, Final, get_type_hints

import msgspec
from msgspec import Meta

DAY: Final = 86_400
"""Seconds."""
PATH: Final = "path"
"""Unit of a file or directory: a relative one is taken from the directory of the settings file."""
LONGEST: Final = 36_500 * DAY
"""Every number has an upper limit: infinity, and times beyond the calendar, end there and not in
the process that calculates with them."""


def setting(help_text: str, *, unit: str = "", secret: bool = False, **rule: Any) -> Meta:
    """The annotation of a setting.

    ``rule`` is as in msgspec.Meta; ``unit`` is ``bytes``, ``s``, ``PATH`` or a word to show.
    """
    return Meta(description=help_text, extra={"unit": unit, "secret": secret}, **rule)


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all sections; its repr, which may end up in a log, shows no secret."""

    def __repr__(self) -> str:
        hints = get_type_hints(type(self), include_extras=True)
        values = (
            f"{name}={'***' if is_secret(hints[name]) else getattr(self, name)!r}"
            for name in self.__struct_fields__
        )
        return f"{type(self).__name__}({', '.join(values)})"


def is_secret(annotation: Any) -> bool:
    """Whether a field's annotation says that its value must not be shown."""
    metadata = getattr(annotation, "__metadata__", ())
    return any(item.extra["secret"] for item in metadata if isinstance(item, Meta) and item.extra)
