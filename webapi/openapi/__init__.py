# SPDX-License-Identifier: GPL-2.0-or-later
"""The description of the API (OpenAPI 3.1), made of what routes, parsers and tables know.

``operations`` has one entry for each route; ``document`` makes the description of them.
"""
