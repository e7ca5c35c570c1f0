/* SPDX-License-Identifier: MIT
 * The digest of a bundle: of the whole file, its own digits read as zeros.
 *
 * Why:     a flipped bit among the factors would serve other scores, and nothing else would say so.
 * Owns:    nothing.
 * Threads: any.
 * Errors:  NBX_EBAD where the file is not what was written.
 */
#include "engine/base/hash.h"
#include "models/bundle/internal.h"

#include <string.h>

/* Quotes stand bare in a header only around its own words, so that no text can look like this. */
static const char before[] = "\"" NBX_BUNDLE_DIGEST "\":\"";
static const char zeros[] = NBX_BUNDLE_NO_DIGEST;
#define DIGITS (sizeof zeros - 1)

/* Where its digits begin; 0: nowhere in the first n bytes. */
static size_t find_digits(const uint8_t *file, size_t n)
{
    const uint8_t *at = memmem(file, n, before, sizeof before - 1);
    size_t digits = at ? (size_t)(at - file) + sizeof before - 1 : 0;
    return digits && n - digits >= DIGITS ? digits : 0;
}

/* Of the header with zeros for its digits. */
static void begin(struct nbx_digest *d, const uint8_t *header, size_t n, size_t digits)
{
    nbx_digest_begin(d);
    nbx_digest_add(d, header, digits);
    nbx_digest_add(d, zeros, DIGITS);
    nbx_digest_add(d, header + digits + DIGITS, n - digits - DIGITS);
}

void nbx_bundle__sign(struct nbx_buf *header, const struct nbx_tensor *tensors, size_t n)
{
    uint8_t digest[NBX_DIGEST_BYTES];
    struct nbx_digest d;
    size_t digits = find_digits(header->p, header->len);
    begin(&d, header->p, header->len, digits);
    for (size_t i = 0; i < n; i++)
        nbx_digest_add(&d, tensors[i].data, tensors[i].bytes);
    nbx_digest_end(&d, digest);
    nbx_hex((char *)header->p + digits, digest, NBX_DIGEST_BYTES);
}

enum nbx_err nbx_bundle__check_digest(const struct nbx_value *metadata, const void *file,
                                      size_t bytes, struct nbx_fault *fault)
{
    const struct nbx_value *said = nbx_value_get(metadata, NBX_BUNDLE_DIGEST);
    uint8_t digest[NBX_DIGEST_BYTES];
    char digits[DIGITS];
    struct nbx_digest d;
    if (!said)
        return NBX_OK;
    size_t at = find_digits(file, bytes);
    if (said->s.len != DIGITS || !at)
        return nbx_fault_set(fault, NBX_EBAD, "__metadata__." NBX_BUNDLE_DIGEST,
                             "must be %zu hex digits, the key right before them", DIGITS);
    begin(&d, file, bytes, at);
    nbx_digest_end(&d, digest);
    nbx_hex(digits, digest, NBX_DIGEST_BYTES);
    return memcmp(said->s.p, digits, DIGITS) == 0
               ? NBX_OK
               : nbx_fault_set(fault, NBX_EBAD, "__metadata__." NBX_BUNDLE_DIGEST,
                               "does not fit: the file is damaged, or was changed after it was "
                               "written");
}
