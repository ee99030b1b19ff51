# SPDX-License-Identifier: GPL-2.0-or-later
"""The database before it is used: roles with the least rights, the database, and what lacks.

``create`` needs a role that may make roles and databases, no superuser; ``check`` needs only the
two connections of the settings.
"""
