/* SPDX-License-Identifier: MIT */
#include "engine/base/hash.h"

#include <sodium.h>
#include <string.h>
#include <xxhash.h>

void nbx_hex(char *out, const void *p, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *bytes = p;
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
}

/* -1 where c is no lower-case hex digit. */
static int nibble(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool nbx_unhex(void *out, const char *hex, size_t n)
{
    uint8_t *bytes = out;
    for (size_t i = 0; i < n; i++) {
        int high = nibble(hex[2 * i]), low = nibble(hex[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

uint64_t nbx_hash64(const void *p, size_t n)
{
    return XXH3_64bits(n ? p : "", n);
}

void nbx_hash128(const void *p, size_t n, uint8_t *out)
{
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(n ? p : "", n));
    memcpy(out, canonical.digest, 16);
}

uint32_t nbx_hash32(const void *p, size_t n)
{
    return (uint32_t)nbx_hash64(p, n);
}

void nbx_keyed_hash128(const uint8_t key[16], const void *p, size_t n, uint8_t *out)
{
    crypto_generichash(out, 16, n ? p : (const void *)"", n, key, 16);
}

_Static_assert(sizeof(crypto_hash_sha256_state) <= sizeof(struct nbx_sha256), "room for it");

static crypto_hash_sha256_state *sha_of(struct nbx_sha256 *s)
{
    return (crypto_hash_sha256_state *)(void *)s->state;
}

void nbx_sha256_begin(struct nbx_sha256 *s)
{
    crypto_hash_sha256_init(sha_of(s));
}

void nbx_sha256_add(struct nbx_sha256 *s, const void *p, size_t n)
{
    crypto_hash_sha256_update(sha_of(s), n ? p : (const void *)"", n);
}

void nbx_sha256_end(struct nbx_sha256 *s, uint8_t *out)
{
    crypto_hash_sha256_final(sha_of(s), out);
}

_Static_assert(sizeof(crypto_generichash_state) <= sizeof(struct nbx_digest), "room for its state");

static crypto_generichash_state *state_of(struct nbx_digest *d)
{
    return (crypto_generichash_state *)(void *)d->state;
}

void nbx_digest_begin(struct nbx_digest *d)
{
    crypto_generichash_init(state_of(d), NULL, 0, NBX_DIGEST_BYTES);
}

void nbx_digest_add(struct nbx_digest *d, const void *p, size_t n)
{
    crypto_generichash_update(state_of(d), p, n);
}

void nbx_digest_end(struct nbx_digest *d, uint8_t *out)
{
    crypto_generichash_final(state_of(d), out, NBX_DIGEST_BYTES);
}
