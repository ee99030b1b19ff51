# SPDX-License-Identifier: GPL-2.0-or-later
"""The pages: templates rendered here, browser modules that ask the public API for everything else.

A page is a frame without data. What was captured comes from ``/api/v1`` with the session's cookie
and is put on the page as text, so nothing that a page can do is missing in the API, and the policy
of a page (``render.POLICY``) can forbid everything that is not a file of ours.
"""
