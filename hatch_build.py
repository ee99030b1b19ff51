# SPDX-License-Identifier: GPL-2.0-or-later
"""Adds what can be compiled to the wheel, where there is a C compiler."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CompiledHook(BuildHookInterface[Any]):
    """For an editable install ``stack/install.sh`` compiles, whenever the sources have changed."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile; a wheel without the compiled form works as well, so no error ends the build."""
        if version == "editable":
            return
        sys.path.insert(0, self.root)
        from collector.compiled import build, sources  # noqa: PLC0415 (found only now)

        for module in sources.MODULES:
            try:
                made = build.build(module, Path(self.directory))
            except build.BuildError as error:
                self.app.display_warning(f"{module.name} is not compiled: {error}")
                return
            build_data["pure_python"] = False
            build_data["infer_tag"] = True
            place = f"{module.name.rpartition('.')[0].replace('.', '/')}/{made.name}"
            build_data["force_include"][str(made)] = place
