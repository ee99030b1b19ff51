# SPDX-License-Identifier: GPL-2.0-or-later
# Of which sources a module is built.

cdef extern from *:
    # Given by the build: ``sources.fingerprint``.
    const char *FINGERPRINT

SOURCES = FINGERPRINT.decode()
