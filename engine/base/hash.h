/* SPDX-License-Identifier: MIT
 * Hashes. The door for xxhash and libsodium.
 *
 * XXH3 is stable since xxhash 0.8, so these values may be stored and sent.
 */
#ifndef NBX_BASE_HASH_H
#define NBX_BASE_HASH_H

#include "engine/base/str.h"

#include <stddef.h>
#include <stdint.h>

/* The n bytes at p as 2n lower-case hex digits, without an end. */
void nbx_hex(char *out, const void *p, size_t n);
/* The n bytes that the 2 n digits at hex say; false where one is none, of the lower case. */
bool nbx_unhex(void *out, const char *hex, size_t n);

/* XXH3_64bits, seed 0. group = nbx_hash64(customer id) & 255. */
uint64_t nbx_hash64(const void *p, size_t n);
/* XXH3_128bits in canonical (big-endian) form. out: (16) bytes. */
void nbx_hash128(const void *p, size_t n, uint8_t *out);
/* The low 32 bits of XXH3_64bits: the checksum at the end of every stored value. */
uint32_t nbx_hash32(const void *p, size_t n);
/* BLAKE2b of 128 bits with a key of 16 bytes: without the key nobody can try what was hashed. out:
 * (16) bytes. */
void nbx_keyed_hash128(const uint8_t key[16], const void *p, size_t n, uint8_t *out);
/* SHA-256 of what is added piece by piece. */
struct nbx_sha256 {
    _Alignas(8) uint8_t state[104]; /* libsodium's */
};
void nbx_sha256_begin(struct nbx_sha256 *s);
void nbx_sha256_add(struct nbx_sha256 *s, const void *p, size_t n);
/* out: (32) bytes. s must begin anew after it. */
void nbx_sha256_end(struct nbx_sha256 *s, uint8_t *out);

/* BLAKE2b of 32 bytes, of what is added piece by piece (RFC 7693, no key). */
#define NBX_DIGEST_BYTES 32
struct nbx_digest {
    _Alignas(64) uint8_t state[384]; /* libsodium's */
};
void nbx_digest_begin(struct nbx_digest *d);
void nbx_digest_add(struct nbx_digest *d, const void *p, size_t n);
/* out: (NBX_DIGEST_BYTES). d must begin anew after it. */
void nbx_digest_end(struct nbx_digest *d, uint8_t *out);

static inline uint64_t nbx_hash64_str(struct nbx_str s)
{
    return nbx_hash64(s.p, s.len);
}

#endif
