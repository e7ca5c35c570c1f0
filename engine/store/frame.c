/* SPDX-License-Identifier: MIT */
#include "engine/store/store_internal.h"

#include "engine/base/hash.h"

void nbx_store__frame(struct nbx_buf *out, uint8_t version, struct nbx_str payload)
{
    uint8_t *to = nbx_buf_reserve(out, (size_t)payload.len + NBX_FRAME_BYTES);
    if (!to)
        return;
    to[0] = version;
    if (payload.len)
        memcpy(to + 1, payload.p, payload.len);
    uint32_t sum = nbx_hash32(to, (size_t)payload.len + 1);
    memcpy(to + 1 + payload.len, &sum, sizeof sum);
    out->len += (size_t)payload.len + NBX_FRAME_BYTES;
}

enum nbx_err nbx_store__unframe(struct nbx_stored *out, struct nbx_str frame)
{
    if (frame.len < NBX_FRAME_BYTES)
        return NBX_ECORRUPT;
    uint32_t sum, n = frame.len - (uint32_t)sizeof sum;
    memcpy(&sum, frame.p + n, sizeof sum);
    if (sum != nbx_hash32(frame.p, n))
        return NBX_ECORRUPT;
    *out = (struct nbx_stored){(uint8_t)frame.p[0], {frame.p + 1, n - 1}};
    return NBX_OK;
}

void nbx_store__count_frame(struct nbx_buf *out, int64_t v)
{
    struct nbx_buf payload = {0};
    nbx_buf_put_varsint(&payload, v);
    if (payload.failed)
        out->failed = true;
    else
        nbx_store__frame(out, NBX_COUNT_VALUE,
                         (struct nbx_str){(const char *)payload.p, (uint32_t)payload.len});
    nbx_buf_fini(&payload);
}

static enum nbx_err count_of(int64_t *out, const struct nbx_stored *stored)
{
    if (stored->version > NBX_COUNT_VALUE)
        return NBX_EVERSION;
    struct nbx_reader r = nbx_reader_of(stored->payload.p, stored->payload.len);
    *out = nbx_read_varsint(&r);
    return r.failed || r.p != r.end ? NBX_ECORRUPT : NBX_OK;
}

enum nbx_err nbx_store__count_unframe(int64_t *out, struct nbx_str frame)
{
    struct nbx_stored stored;
    enum nbx_err err = nbx_store__unframe(&stored, frame);
    return err ? err : count_of(out, &stored);
}

int64_t nbx_stored_count(const struct nbx_stored *value)
{
    int64_t v;
    return count_of(&v, value) ? 0 : v;
}
