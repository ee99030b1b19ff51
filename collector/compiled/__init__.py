# SPDX-License-Identifier: GPL-2.0-or-later
"""What is compiled where there is a C compiler: Cython sources, and what builds them.

``hop.pyx`` is the module; the others are parts of it. Bytes from outside are read by the functions
of ``text.pxi`` and by no others. Nothing here is needed: ``collector.hop`` chooses.
"""
