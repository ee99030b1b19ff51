# SPDX-License-Identifier: GPL-2.0-or-later
# pytest-xdist has no type information; what the tests use of it.
