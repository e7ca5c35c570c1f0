/* SPDX-License-Identifier: MIT */
#include "engine/base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *nbx_err_status(enum nbx_err code)
{
    switch (code) {
    case NBX_OK: return "ok";
    case NBX_EBAD: return "bad_request";
    case NBX_ENOTFOUND: return "not_found";
    case NBX_EBUSY: return "busy";
    case NBX_ELIMIT: return "limit";
    case NBX_EDENIED: return "denied";
    case NBX_ECONFLICT: return "conflict";
    case NBX_ESTORAGE:
    case NBX_ECORRUPT:
    case NBX_EVERSION: return "storage";
    case NBX_EINTERNAL: break;
    }
    return "internal";
}

/* Cuts an incomplete UTF-8 sequence off the end of a truncated text. */
static void trim_partial_utf8(char *text)
{
    size_t len = strlen(text), start = len;
    while (start > 0 && ((unsigned char)text[start - 1] & 0xC0) == 0x80)
        start--;
    if (start == 0)
        return;
    unsigned char lead = (unsigned char)text[start - 1];
    size_t want = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    if (len - (start - 1) < want)
        text[start - 1] = '\0';
}

enum nbx_err nbx_fault_set(struct nbx_fault *fault, enum nbx_err code, const char *field,
                           const char *fmt, ...)
{
    if (!fault)
        return code;
    fault->code = code;
    snprintf(fault->field, sizeof fault->field, "%s", field ? field : "");
    trim_partial_utf8(fault->field);
    va_list args;
    va_start(args, fmt);
    vsnprintf(fault->message, sizeof fault->message, fmt, args);
    va_end(args);
    trim_partial_utf8(fault->message);
    return code;
}

void nbx_fault_prefix(struct nbx_fault *fault, const char *fmt, ...)
{
    if (!fault)
        return;
    char prefix[NBX_FAULT_FIELD_BYTES], rest[NBX_FAULT_FIELD_BYTES];
    va_list args;
    va_start(args, fmt);
    vsnprintf(prefix, sizeof prefix, fmt, args);
    va_end(args);
    snprintf(rest, sizeof rest, "%s", fault->field);
    size_t used = (size_t)snprintf(fault->field, sizeof fault->field, "%s", prefix);
    if (rest[0] && used < sizeof fault->field)
        snprintf(fault->field + used, sizeof fault->field - used, "%s%s", rest[0] == '[' ? "" : ".",
                 rest);
    trim_partial_utf8(fault->field);
}
