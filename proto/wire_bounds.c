/* SPDX-License-Identifier: MIT */
#include "proto/wire_bounds.h"

#include "engine/base/value.h"

#include <stdint.h>

enum shape { FIXED, SIZED, LIST, MAP, UNUSED, EXTENSION };

/* What follows a tag byte: `bytes` of payload (FIXED), or of a big-endian length or count. */
struct head {
    uint8_t shape, bytes;
};

/* The tags 0xc0 to 0xdf, in order (msgpack specification, "Formats"). */
static const struct head heads[32] = {
    {FIXED, 0},     {UNUSED, 0},    {FIXED, 0},     {FIXED, 0},     /* nil, -, false, true */
    {SIZED, 1},     {SIZED, 2},     {SIZED, 4},                     /* bin */
    {EXTENSION, 0}, {EXTENSION, 0}, {EXTENSION, 0},                 /* ext */
    {FIXED, 4},     {FIXED, 8},                                     /* float */
    {FIXED, 1},     {FIXED, 2},     {FIXED, 4},     {FIXED, 8},     /* uint */
    {FIXED, 1},     {FIXED, 2},     {FIXED, 4},     {FIXED, 8},     /* int */
    {EXTENSION, 0}, {EXTENSION, 0}, {EXTENSION, 0}, {EXTENSION, 0}, /* fixext */
    {EXTENSION, 0},                                                 /* fixext 16 */
    {SIZED, 1},     {SIZED, 2},     {SIZED, 4},                     /* str */
    {LIST, 2},      {LIST, 4},      {MAP, 2},       {MAP, 4},       /* array, map */
};

/* One value's tag read: how many bytes of its own follow and how many values it contains. */
struct tag {
    enum shape shape;
    uint64_t bytes, values;
};

static bool read_count(uint64_t *out, const uint8_t **p, const uint8_t *end, unsigned bytes)
{
    if ((size_t)(end - *p) < bytes)
        return false;
    *out = 0;
    for (unsigned i = 0; i < bytes; i++)
        *out = *out << 8 | *(*p)++;
    return true;
}

/* Reads a tag and its count at *p < end; false where the count is cut short. */
static bool read_tag(struct tag *out, const uint8_t **p, const uint8_t *end)
{
    uint8_t byte = *(*p)++;
    *out = (struct tag){FIXED, 0, 0};
    if (byte < 0x80 || byte >= 0xe0)
        return true;
    if (byte < 0x90) {
        *out = (struct tag){MAP, 0, 2 * (uint64_t)(byte & 0x0f)};
    } else if (byte < 0xa0) {
        *out = (struct tag){LIST, 0, byte & 0x0f};
    } else if (byte < 0xc0) {
        *out = (struct tag){SIZED, byte & 0x1f, 0};
    } else {
        struct head head = heads[byte - 0xc0];
        uint64_t count = head.bytes;
        if (head.shape != FIXED && !read_count(&count, p, end, head.bytes))
            return false;
        out->shape = head.shape;
        out->bytes = head.shape <= SIZED ? count : 0;
        out->values = head.shape == LIST ? count : head.shape == MAP ? 2 * count : 0;
    }
    return true;
}

static enum nbx_err refuse_tag(const struct tag *tag, uint64_t left, struct nbx_fault *fault)
{
    if (tag->shape == UNUSED)
        return nbx_fault_set(fault, NBX_EBAD, NULL, "not msgpack: byte 0xc1 is never used");
    if (tag->shape == EXTENSION)
        return nbx_fault_set(fault, NBX_EBAD, NULL, "msgpack extension types are not taken");
    if (tag->bytes > left)
        return nbx_fault_set(fault, NBX_EBAD, NULL,
                             "cut short: a text or bin of %llu bytes where %llu remain",
                             (unsigned long long)tag->bytes, (unsigned long long)left);
    return nbx_fault_set(fault, NBX_EBAD, NULL,
                         "cut short: a list or map of %llu values where %llu bytes remain",
                         (unsigned long long)tag->values, (unsigned long long)left);
}

enum nbx_err nbx_wire_bounds(size_t *n_inner, const void *message, size_t len,
                             struct nbx_fault *fault)
{
    const uint8_t *p = message, *end = p + len;
    uint64_t open[NBX_VALUE_MAX_DEPTH + 1]; /* values still to come, by depth */
    unsigned depth = 1;
    open[1] = 1;
    *n_inner = 0;
    while (depth > 0) {
        if (open[depth] == 0) {
            depth--;
            continue;
        }
        open[depth]--;
        struct tag tag;
        if (p == end || !read_tag(&tag, &p, end))
            return nbx_fault_set(fault, NBX_EBAD, NULL, "cut short: the message ends too early");
        uint64_t left = (uint64_t)(end - p);
        if (tag.shape >= UNUSED || tag.bytes > left || tag.values > left)
            return refuse_tag(&tag, left, fault);
        p += tag.bytes;
        if (tag.values == 0)
            continue;
        if (depth == NBX_VALUE_MAX_DEPTH)
            return nbx_fault_set(fault, NBX_EBAD, NULL, "nested deeper than %d",
                                 NBX_VALUE_MAX_DEPTH);
        open[++depth] = tag.values;
        *n_inner += tag.values;
    }
    if (p != end)
        return nbx_fault_set(fault, NBX_EBAD, NULL, "%zu bytes behind the end of the message",
                             (size_t)(end - p));
    return NBX_OK;
}
