/* SPDX-License-Identifier: MIT */
#include "engine/base/hash.h"

#include <sodium.h>
#include <string.h>
#include <xxhash.h>

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

void nbx_sha256(const void *p, size_t n, uint8_t *out)
{
    crypto_hash_sha256(out, p, n);
}
