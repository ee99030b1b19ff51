/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the user agents say. The call's number stands in the Call-ID, behind a dash.
 */
#include "sip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Splitmix64: Call-IDs and tags that are unlike each other. */
static uint64_t scramble(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

size_t sip_request(char *to, const struct ends *ends, uint64_t call, const char *method, int cseq,
                   const char *route)
{
    static const char sdp[] = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\n"
                              "t=0 0\r\nm=audio 40000 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\n"
                              "a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
                              "a=fmtp:101 0-16\r\na=sendrecv\r\n";
    unsigned long long id = scramble(call), serial = call;
    int is_invite = !strcmp(method, "INVITE");
    unsigned user = (unsigned)(id % 1000000);
    int size = snprintf(
        to, ROOM,
        "%s sip:4010@127.0.0.1:%u SIP/2.0\r\n"
        "Via: SIP/2.0/UDP 127.0.0.1:%u;branch=z9hG4bK%llx.%s\r\n%s"
        "Max-Forwards: 70\r\n"
        "From: \"Caller %06u\" <sip:%06u@bench.example>;tag=a%llx\r\n"
        "To: <sip:4010@bench.example>%s%.0llx\r\n"
        "Call-ID: %016llx-%llu@bench\r\n"
        "CSeq: %d %s\r\n"
        "Contact: <sip:%06u@127.0.0.1:%u>\r\n"
        "User-Agent: kemiscope bench\r\n"
        "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO\r\n"
        "Supported: replaces, timer\r\n%s"
        "Content-Length: %zu\r\n\r\n%s",
        method, is_invite ? ends->proxy : ends->callee, ends->caller, id, method, route, user, user, id,
        is_invite ? "" : ";tag=b", is_invite ? 0 : id, id, serial, cseq, method, user, ends->caller,
        is_invite ? "Content-Type: application/sdp\r\n" : "", is_invite ? sizeof sdp - 1 : 0,
        is_invite ? sdp : "");

    return (size_t)size;
}

size_t sip_lines(char *to, const char *text, const char *name)
{
    size_t size = 0, length = strlen(name);

    for (const char *line = strstr(text, "\r\n"); line; line = strstr(line + 2, "\r\n"))
        if (!strncmp(line + 2, name, length)) {
            const char *end = strstr(line + 2, "\r\n");
            size_t octets = end ? (size_t)(end + 2 - line - 2) : 0;
            memcpy(to + size, line + 2, octets);
            size += octets;
        }
    to[size] = 0;
    return size;
}

size_t sip_response(char *to, const struct ends *ends, const char *request, uint64_t call,
                    const char *status)
{
    unsigned long long id = scramble(call);
    size_t size = (size_t)sprintf(to, "SIP/2.0 %s\r\n", status);

    for (const char *const *name = (const char *const[]){"Via:", "Record-Route:", "From:", "Call-ID:",
                                                         "CSeq:", NULL};
         *name; name++)
        size += sip_lines(to + size, request, *name);
    size += (size_t)sprintf(to + size,
                            "To: <sip:4010@bench.example>;tag=b%llx\r\n"
                            "Contact: <sip:4010@127.0.0.1:%u>\r\n"
                            "Server: kemiscope bench\r\nContent-Length: 0\r\n\r\n",
                            id, ends->callee);
    return size;
}

int64_t sip_call(const char *text)
{
    const char *id = strstr(text, "\r\nCall-ID: ");

    id = id ? strchr(id, '@') : NULL;
    while (id && id > text && id[-1] != '-')
        id--;
    return id ? strtoll(id, NULL, 10) : -1;
}
