# SPDX-License-Identifier: GPL-2.0-or-later
"""New messages, new calls and changes of calls as a stream of events (WHATWG HTML §9.2).

What is new is told by the transaction that wrote a row and not by a time: a row is sent when its
transaction is visible for the first time, however late it was committed and whatever its clock
says. All clients of a kind share one reader; their filters stay SQL.
"""
