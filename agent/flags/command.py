# SPDX-License-Identifier: GPL-2.0-or-later
"""From a command line to options, or to an exit code and what is printed before."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

from agent.flags import help as help_text
from agent.flags.options import OptionError, Options, read_options
from agent.flags.parse import FlagError, HelpRequestedError, parse

BAD_OPTION: Final = 1
"""A value that cannot be used, as heplify exits then."""
BAD_FLAG: Final = 2
"""A command line that cannot be read, as Go exits then."""


def read_command(command: Sequence[str]) -> Options | int:
    """The options of a command line with the program's name, or the code to exit with.

    ``-help``, ``-version`` and errors are printed.
    """
    program, *arguments = command
    try:
        if parse(arguments).values["version"]:
            sys.stdout.write(f"{help_text.version_text()}\n")
            return 0
        return read_options(arguments)
    except HelpRequestedError:
        sys.stderr.write(help_text.usage(program))
        return 0
    except FlagError as error:
        sys.stderr.write(f"{error}\n{help_text.usage(program)}")
        return BAD_FLAG
    except OptionError as error:
        sys.stderr.write(f"{help_text.NAME}: {error}\n")
        return BAD_OPTION
