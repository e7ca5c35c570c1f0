/* SPDX-License-Identifier: MIT
 * UTF-8 as RFC 3629 has it: no surrogates, no overlong forms, nothing above U+10FFFF.
 */
#ifndef NBX_BASE_UTF8_H
#define NBX_BASE_UTF8_H

#include "engine/base/str.h"

bool nbx_utf8_valid(struct nbx_str s);

/* An external id (customer, item, event, store, session, order): 1 to 255 bytes of UTF-8
 * without NUL. */
#define NBX_ID_MAX_BYTES 255
bool nbx_id_valid(struct nbx_str s);

#endif
