# SPDX-License-Identifier: GPL-2.0-or-later
"""The machine's names of everything that an explanation can say."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Code(StrEnum):
    """Stable names: scripts and pages depend on them. ``help`` is for the documentation."""

    help: str

    def __new__(cls, name: str, text: str) -> Self:
        code = str.__new__(cls, name)
        code._value_ = name
        code.help = text
        return code

    CALLED = "called", "who called whom, from which address to which"
    PROGRESS = "progress", "183 or another provisional response, without ringing"
    RANG = "rang", "how long until it rang, and how long it rang"
    EARLY_MEDIA = "early_media", "audio before the answer: announcement or ringing tone"
    ANSWERED = "answered", "who answered, and how long after the INVITE"
    TALKED = "talked", "how long the call lasted from answer to BYE"
    HUNG_UP = "hung_up", "who sent the BYE, with its Reason (Q.850 causes in words)"
    NO_END = "no_end", "answered, and no BYE was captured"
    COMPLETED = "completed", "headline: the call was answered and ended"
    RUNNING = "running", "headline: no end was captured, and none has to be expected yet"
    UNKNOWN = "unknown", "headline: the captured messages do not tell"

    BUSY = "busy", "486 or 600"
    DECLINED = "declined", "603"
    NOT_FOUND = "not_found", "404, 410, 484, 485 or 604"
    UNAVAILABLE = "unavailable", "480"
    REDIRECTED = "redirected", "3xx, with the target"
    FORBIDDEN = "forbidden", "403"
    NOT_ACCEPTABLE = "not_acceptable", "488, 606 or 415: what was offered cannot be done"
    BAD_EXTENSION = "bad_extension", "420 or 421 ended the call"
    LOOP = "loop", "482 Loop Detected or 483 Too Many Hops"
    SERVER_FAULT = "server_fault", "5xx"
    REFUSED = "refused", "any other final response from 400 on"
    TRANSLATED = "translated", "an element answered otherwise than it had been answered"
    RETRY_AFTER = "retry_after", "when the refusing side wants to be asked again"

    CHALLENGED = "challenged", "credentials were asked for, and the call was tried again"
    NO_CREDENTIALS = "no_credentials", "credentials were asked for, and never sent"
    WRONG_CREDENTIALS = "wrong_credentials", "credentials were sent and not accepted"
    STALE_NONCE = "stale_nonce", "the nonce of the credentials was too old"
    CREDENTIALS_FORBIDDEN = "credentials_forbidden", "403 to an INVITE with credentials"

    CANCELLED = "cancelled", "the caller hung up before the answer"
    CANCEL_RACE = "cancel_race", "CANCEL and answer crossed"
    CANCEL_REFUSED = "cancel_refused", "a CANCEL was refused"
    CANCEL_UNANSWERED = "cancel_unanswered", "nobody answered a CANCEL"
    FORK_CANCELLED = "fork_cancelled", "a proxy cancelled a branch because another had answered"
    PROXY_CANCELLED = "proxy_cancelled", "a proxy cancelled a branch for a reason of its own"
    ANSWERED_ELSEWHERE = "answered_elsewhere", "the CANCEL says that another phone answered"

    NO_RESPONSE = "no_response", "an address did not answer the INVITE at all (timers A and B)"
    RESPONSE_LOST = "response_lost", "an INVITE went on, but no response came back over this hop"
    GAVE_UP = "gave_up", "408, and what the element that made it had waited for (timers B, C)"
    NO_FINAL = "no_final", "provisional responses, and no final one"
    BYE_UNANSWERED = "bye_unanswered", "nobody answered the BYE (timers E and F)"
    BYE_REFUSED = "bye_refused", "481 or the like to a BYE"
    ACK_MISSING = "ack_missing", "a final response was repeated for want of an ACK (timers G, H)"
    ACK_LOST = "ack_lost", "an ACK was sent and did not arrive"
    NO_ACK = "no_ack", "no ACK to the answer was captured"
    RETRANSMITTED = "retransmitted", "a request was sent more than once over one hop"

    LOST_BETWEEN = "lost_between", "seen at one end of a hop only, both ends being captured"

    SESSION_EXPIRED = "session_expired", "the session timer ran out (RFC 4028)"
    INTERVAL_TOO_SMALL = "interval_too_small", "422, with the least interval"
    CHANGE_REFUSED = "change_refused", "a re-INVITE or UPDATE was refused"
    CHANGE_UNANSWERED = "change_unanswered", "a re-INVITE or UPDATE got no response"
    GLARE = "glare", "491: both sides wanted a change at the same time"
    HOLD = "hold", "somebody put the call on hold"
    RESUMED = "resumed", "somebody took the call back"

    AUDIO = "audio", "codec and media addresses of the call"
    NO_COMMON_CODEC = "no_common_codec", "offer and answer have no codec in common"
    CODECS_REFUSED = "codecs_refused", "the codecs that a 488, 606 or 415 was about"
    PRIVATE_MEDIA = "private_media", "a private media address went to a public destination"
    NAT = "nat", "private address in the SDP, public one of the packets"
    UNROUTABLE_MEDIA = "unroutable_media", "the audio should go to a loopback address"
    OTHER_MEDIA_ADDRESS = "other_media_address", "audio goes elsewhere than the signalling"
    MEDIA_RELAY = "media_relay", "an element put its own media address into the SDP"
    NO_AUDIO = "no_audio", "port 0: the audio stream was refused"
    ONE_WAY = "one_way", "the call began with sendonly, recvonly or inactive"
    NO_ANSWER_SDP = "no_answer_sdp", "the caller never said where its audio goes"

    FORKED = "forked", "an element called several destinations at once"
    FORK_WON = "fork_won", "which of them answered"
    TRIED_NEXT = "tried_next", "another destination was tried after one had failed"
    REDIRECT_FOLLOWED = "redirect_followed", "the caller followed a redirection"
    TRIED_AGAIN = "tried_again", "the caller tried again after a refusal"
    EARLY_DIALOGS = "early_dialogs", "several phones responded to one INVITE (To tags)"
    SEVERAL_ANSWERS = "several_answers", "more than one phone answered"

    TRANSFER = "transfer", "who transferred the call to where"
    TRANSFERRED = "transferred", "the transfer succeeded, as NOTIFY says"
    TRANSFER_FAILED = "transfer_failed", "the transfer failed, as NOTIFY says"
    TRANSFER_REFUSED = "transfer_refused", "the REFER was refused"
    TRANSFER_UNKNOWN = "transfer_unknown", "no NOTIFY says how the transfer went"
    REPLACES = "replaces", "the INVITE takes the place of another call"

    RELIABLE = "reliable", "PRACK was used"
    PRACK_MISSING = "prack_missing", "a reliable provisional response got no PRACK"
    EXTENSION = "extension", "which extension of SIP is missing, and where"
    DTMF = "dtmf", "DTMF digits by INFO, their number only"
    INFO_REFUSED = "info_refused", "an INFO was refused"

    NO_BEGINNING = "no_beginning", "the INVITE was not captured"
    MALFORMED = "malformed", "messages that were marked as damaged"
    COPIES = "copies", "messages from several capture points, or captured twice"
    CLOCKS = "clocks", "an effect was captured before its cause"
    INCOMPLETE = "incomplete", "there are more messages than were looked at"
    NOT_A_CALL = "not_a_call", "the messages are no call: REGISTER, OPTIONS …"
    LINKED = "linked", "another leg that belongs to the call, and why"
    BAD_AUDIO = "bad_audio", "quality reports with loss or a low MOS"
    ONE_SIDED = "one_sided", "quality reports of one way only: the other may have had no audio"


def codes_markdown() -> str:
    """A table for the documentation."""
    lines = ["| code | says |", "|---|---|", *(f"| `{code}` | {code.help} |" for code in Code)]
    return "\n".join(lines) + "\n"
