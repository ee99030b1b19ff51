# SPDX-License-Identifier: GPL-2.0-or-later
"""What is compiled where there is a C compiler: Cython sources, and what builds them.

``hop``, ``records`` and ``burst`` are modules, the ``.pxi`` files parts of them and of the agent's.
Bytes from outside are read by the functions of ``text.pxi`` and by no others. Nothing here is
needed: ``sources`` says whether a module is there, and who would use it has a plain form.
"""
