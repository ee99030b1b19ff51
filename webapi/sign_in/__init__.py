# SPDX-License-Identifier: GPL-2.0-or-later
"""The ways to sign in: with a password that we, LDAP or an HTTP service check, or by way of OAuth2.

``password.by_password`` is what every sign-in with name and password calls; ``ways`` says which
ways there are; ``person`` has those whom another system knows.
"""
