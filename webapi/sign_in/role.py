# SPDX-License-Identifier: GPL-2.0-or-later
"""Which role somebody has here, by the groups that another system tells."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple, Self

from collector.settings.sign_in import NO_ROLE, HttpAuth, Ldap
from webapi.access.roles import Role

_COMMA: Final = re.compile(r"\s*,\s*")


class Rules(NamedTuple):
    """Of the settings."""

    admin: Iterable[str]
    support: Iterable[str]
    user: Iterable[str]
    default: str
    """A role, or ``NO_ROLE``."""

    @classmethod
    def of(cls, settings: Ldap | HttpAuth) -> Self:
        """Those of a section."""
        return cls(
            *(settings.admin_groups, settings.support_groups, settings.user_groups),
            settings.default_role,
        )

    @property
    def knows(self) -> bool:
        """Whether groups say anything: otherwise roles are given here."""
        return bool(self.admin or self.support or self.user)

    def role(self, groups: Iterable[str]) -> Role | None:
        """The highest; None for somebody who may not use the service."""
        found = {_folded(group) for group in groups}
        for role, names in (
            (Role.ADMIN, self.admin),
            (Role.SUPPORT, self.support),
            (Role.USER, self.user),
        ):
            if not found.isdisjoint(map(_folded, names)):
                return role
        return None if self.default == NO_ROLE else Role(self.default)


def _folded(group: str) -> str:
    """Case and blanks behind commas make no difference in a DN (RFC 4517 §4.2)."""
    return _COMMA.sub(",", group.strip().casefold())
