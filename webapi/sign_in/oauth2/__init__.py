# SPDX-License-Identifier: GPL-2.0-or-later
"""Sign-in at a provider: OAuth2 (RFC 6749) with PKCE (RFC 7636), and OpenID Connect on top of it.

``flow`` begins and finishes a sign-in; ``attempt`` binds the two to one browser; ``provider`` asks
the provider; ``id_token`` is what is believed of its answer; ``claims`` makes a person of that.
"""
