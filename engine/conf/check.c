/* SPDX-License-Identifier: MIT
 * What a text must look like, key by key. */
#include "engine/conf/table.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NAME_BYTES 64
#define MAX_ID_BYTES   255

const char *nbx_conf__check_name(const char *text)
{
    size_t len = strlen(text);
    if (len == 0 || len > MAX_NAME_BYTES ||
        strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_-") != len)
        return "must be 1 to 64 of a-z, 0-9, _ and -";
    return NULL;
}

const char *nbx_conf__check_label(const char *text)
{
    size_t len = strlen(text);
    return len > 0 && len <= MAX_NAME_BYTES ? NULL : "must be 1 to 64 bytes long";
}

const char *nbx_conf__check_currency(const char *text)
{
    if (strlen(text) != 3 || strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != 3)
        return "must be three capitals such as EUR";
    return NULL;
}

const char *nbx_conf__check_path(const char *text)
{
    return *text ? NULL : "must not be empty";
}

const char *nbx_conf__check_attribute(const char *text)
{
    static const char *const fields[] = {
        "id",         "group",      "kind",       "title",  "url",      "image",     "brand",
        "categories", "price",      "sale_price", "margin", "currency", "channels",  "available",
        "stock",      "valid_from", "valid_to",   "vector", "space",    "attributes"};
    size_t len = strlen(text);
    if (len == 0 || len > MAX_ID_BYTES)
        return "must be 1 to 255 bytes long";
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (strcmp(text, fields[i]) == 0)
            return "must not be a field that every item has";
    }
    return NULL;
}

/* host:port or [v6]:port; host holds (NI_MAXHOST) bytes. */
static bool split_address(const char *text, char *host, int *port)
{
    const char *colon = strrchr(text, ':');
    if (!colon || colon == text || (size_t)(colon - text) >= NI_MAXHOST)
        return false;
    size_t len = (size_t)(colon - text);
    if (text[0] == '[' && text[len - 1] == ']') {
        text++;
        len -= 2;
    } else if (memchr(text, ':', len)) {
        return false;
    }
    memcpy(host, text, len);
    host[len] = '\0';
    char *end;
    long value = strtol(colon + 1, &end, 10);
    *port = (int)value;
    return len > 0 && strspn(colon + 1, "0123456789") == strlen(colon + 1) && end != colon + 1 &&
           value >= 1 && value <= 65535;
}

static bool is_loopback(const char *host)
{
    struct in_addr v4;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    return strcmp(host, "::1") == 0 || strcmp(host, "localhost") == 0;
}

/* What follows the scheme, or NULL where text has another one. */
static const char *after(const char *text, const char *scheme)
{
    size_t len = strlen(scheme);
    return strncmp(text, scheme, len) == 0 ? text + len : NULL;
}

const char *nbx_conf__check_endpoint(const char *text)
{
    char host[NI_MAXHOST];
    int port;
    const char *rest = after(text, "tcp://");
    if (rest)
        return split_address(rest, host, &port)
                   ? NULL
                   : "must be tcp://host:port with a port of 1 to 65535";
    rest = after(text, "ipc://");
    rest = rest ? rest : after(text, "inproc://");
    return rest && *rest ? NULL : "must be tcp://host:port, ipc://path or inproc://name";
}

const char *nbx_conf__check_http(const char *text)
{
    char host[NI_MAXHOST];
    int port;
    return !*text || split_address(text, host, &port)
               ? NULL
               : "must be host:port with a port of 1 to 65535, or empty";
}

bool nbx_conf__is_local(const char *endpoint)
{
    char host[NI_MAXHOST];
    int port;
    if (!*endpoint || after(endpoint, "ipc://") || after(endpoint, "inproc://"))
        return true;
    const char *rest = after(endpoint, "tcp://");
    return split_address(rest ? rest : endpoint, host, &port) && is_loopback(host);
}
