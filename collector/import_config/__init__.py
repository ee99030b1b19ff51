# SPDX-License-Identifier: GPL-2.0-or-later
"""``import-config``: the settings of what ran here before, as settings of kemiscope.

``heplify_server`` reads heplify-server.toml, ``sipcapture`` a kamailio.cfg with that module. Both
give an ``Imported``: settings, and a remark for everything that has no equivalent.
"""
