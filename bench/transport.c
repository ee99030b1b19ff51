/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * UDP with sendmmsg; TCP with one write for the packets of a batch; TLS with one record for each
 * packet, as senders write them; WebSocket with one masked frame for each packet (RFC 6455).
 */
#define _GNU_SOURCE
#include "transport.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FRAME_HEAD 14

struct connection {
    int socket;
    SSL *tls;
};

static struct connection *connection;
static unsigned connections, turn;
static int is_udp, is_tls, is_websocket;

void fail(const char *what)
{
    fprintf(stderr, "sender: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void fail_tls(const char *what)
{
    ERR_print_errors_fp(stderr);
    fail(what);
}

static void write_all(const struct connection *to, const unsigned char *data, size_t size)
{
    while (size) {
        ssize_t n = to->tls ? SSL_write(to->tls, data, (int)size) : send(to->socket, data, size, 0);
        if (n <= 0) {
            if (!to->tls && errno == EINTR)
                continue;
            fail_tls("write");
        }
        data += n;
        size -= (size_t)n;
    }
}

/* The upgrade of RFC 6455 section 4.1; the answer is not looked at beyond its status. */
static void upgrade(const struct connection *to)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                                  "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                                  "Sec-WebSocket-Protocol: hep\r\n\r\n";
    char answer[4096] = "";
    size_t size = 0;

    write_all(to, (const unsigned char *)request, sizeof request - 1);
    while (!strstr(answer, "\r\n\r\n")) {
        size_t room = sizeof answer - 1 - size;
        ssize_t n = to->tls ? SSL_read(to->tls, answer + size, (int)room)
                            : recv(to->socket, answer + size, room, 0);
        if (n <= 0)
            fail_tls("upgrade");
        size += (size_t)n;
        answer[size] = 0;
    }
    if (strncmp(answer, "HTTP/1.1 101 ", 13)) {
        fprintf(stderr, "sender: no upgrade: %s\n", answer);
        exit(1);
    }
}

void transport_open(const char *protocol, const struct sockaddr_in *to, unsigned count)
{
    SSL_CTX *context = NULL;

    is_udp = !strcmp(protocol, "udp");
    is_tls = !strcmp(protocol, "tls") || !strcmp(protocol, "wss");
    is_websocket = !strcmp(protocol, "ws") || !strcmp(protocol, "wss");
    if (is_tls && !(context = SSL_CTX_new(TLS_client_method())))
        fail_tls("TLS");
    connections = is_udp || !count ? 1 : count;
    connection = calloc(connections, sizeof *connection);
    for (unsigned i = 0; i < connections; i++) {
        struct connection *c = connection + i;
        int one = 1;

        c->socket = socket(AF_INET, is_udp ? SOCK_DGRAM : SOCK_STREAM, 0);
        if (c->socket < 0 || connect(c->socket, (const struct sockaddr *)to, sizeof *to) < 0)
            fail("connect");
        if (!is_udp)
            setsockopt(c->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (is_tls) {
            c->tls = SSL_new(context);
            if (!SSL_set_fd(c->tls, c->socket) || SSL_connect(c->tls) != 1)
                fail_tls("TLS");
        }
        if (is_websocket)
            upgrade(c);
    }
}

static uint64_t send_datagrams(struct iovec *part, unsigned count)
{
    struct mmsghdr message[BATCH];
    uint64_t errors = 0;

    memset(message, 0, sizeof message);
    for (unsigned i = 0; i < count; i++) {
        message[i].msg_hdr.msg_iov = part + i;
        message[i].msg_hdr.msg_iovlen = 1;
    }
    for (unsigned done = 0; done < count;) {
        int n = sendmmsg(connection->socket, message + done, count - done, 0);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            /* Nobody listens (yet): the packet is gone, as it would be in a network. */
            errors++;
            n = 1;
        }
        done += (unsigned)n;
    }
    return errors;
}

/* One masked binary frame (RFC 6455 section 5.2); returns its size. */
static size_t frame(unsigned char *to, const unsigned char *data, size_t size)
{
    unsigned char key[4];
    size_t at = 0;

    for (int i = 0; i < 4; i++)
        key[i] = (unsigned char)random();
    to[at++] = 0x82;
    if (size < 126) {
        to[at++] = (unsigned char)(0x80 | size);
    } else {
        to[at++] = 0x80 | 126;
        to[at++] = (unsigned char)(size >> 8);
        to[at++] = (unsigned char)size;
    }
    memcpy(to + at, key, 4);
    at += 4;
    for (size_t i = 0; i < size; i++)
        to[at + i] = data[i] ^ key[i & 3];
    return at + size;
}

uint64_t transport_send(struct iovec *part, unsigned count)
{
    static unsigned char buffer[BATCH * (MAX_PACKET + FRAME_HEAD)];
    const struct connection *to = connection + turn++ % connections;
    size_t size = 0;

    if (is_udp)
        return send_datagrams(part, count);
    for (unsigned i = 0; i < count; i++) {
        unsigned char *at = buffer + size;
        size_t octets = part[i].iov_len;

        if (is_websocket)
            octets = frame(at, part[i].iov_base, octets);
        else
            memcpy(at, part[i].iov_base, octets);
        if (is_tls)
            write_all(to, at, octets);
        size += octets;
    }
    if (!is_tls)
        write_all(to, buffer, size);
    return 0;
}

void transport_close(void)
{
    static const unsigned char close_frame[] = {0x88, 0x80, 0, 0, 0, 0};
    char rest[4096];

    for (unsigned i = 0; !is_udp && i < connections; i++) {
        struct connection *c = connection + i;

        if (is_websocket)
            write_all(c, close_frame, sizeof close_frame);
        if (c->tls)
            SSL_shutdown(c->tls);
        shutdown(c->socket, SHUT_WR);
        while (read(c->socket, rest, sizeof rest) > 0)
            ;
        close(c->socket);
    }
}
