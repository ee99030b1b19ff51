# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures are named files beside this one."""

from hypothesis import HealthCheck, settings

# How long an example takes is the machine's business: on a busy one the first text takes seconds.
settings.register_profile("kemiscope", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("kemiscope")

pytest_plugins = [
    "tests.workers",
    "tests.fix_database",
    "tests.fix_journal",
    "tests.fix_mounts",
    "tests.fix_hop",
    "tests.fix_output",
    "tests.fix_trial",
    "tests.fix_api",
    "tests.fix_access",
    "tests.fix_openapi",
    "tests.fix_live",
    "tests.fix_sites",
    "tests.fix_calls",
    "tests.fix_control",
    "tests.fix_ksr",
    "tests.fix_listener",
    "tests.fix_ldap",
    "tests.fix_provider",
    "tests.fix_edge",
    "tests.fix_network",
    "tests.fix_agent",
    "tests.fix_browser",
]
