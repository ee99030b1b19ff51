# SPDX-License-Identifier: GPL-2.0-or-later
"""A compiled module out of any file, such as one that was built with sanitizers."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from typing import Any

from collector.compiled.sources import Module


def load(module: Module, path: str) -> Any:
    """The module, as the file has it."""
    spec = spec_from_file_location(module.name, path)
    assert spec
    assert spec.loader
    found = module_from_spec(spec)
    spec.loader.exec_module(found)
    return found
