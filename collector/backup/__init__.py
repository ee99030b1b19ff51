# SPDX-License-Identifier: GPL-2.0-or-later
"""Settings and what users made, into one file and back: what cannot be captured again.

The file has a line of JSON for each thing: first what made it, then the settings file as it is,
then the rows, last how many there were. It holds hashes of passwords and tokens and the secrets of
the settings. Messages, calls and statistics are not in it: those are ``pg_dump``'s.
"""
