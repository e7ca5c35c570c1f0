/* SPDX-License-Identifier: MIT
 * Golden bytes of before there was a digest: the file as written, without it.
 */
#ifndef NBX_TEST_BUNDLE_UNDIGEST_H
#define NBX_TEST_BUNDLE_UNDIGEST_H

#include <criterion/criterion.h>
#include <string.h>

#define DIGEST_KEY   ",\"nbx_digest\":\""
#define DIGEST_BYTES (sizeof DIGEST_KEY - 1 + 64 + 1) /* key, digits, quote */

/* bytes: (n). Takes the digest out; what the header then is shorter by. */
static inline size_t undigest(char *bytes, size_t n)
{
    char *at = memmem(bytes, n, DIGEST_KEY, sizeof DIGEST_KEY - 1);
    cr_assert(at, "there is no digest");
    memmove(at, at + DIGEST_BYTES, n - (size_t)(at - bytes) - DIGEST_BYTES);
    return DIGEST_BYTES;
}

#endif
