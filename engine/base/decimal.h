/* SPDX-License-Identifier: MIT
 * Decimal text to a whole number of its smallest units, exactly: money never passes a double.
 *
 * Owns:    nothing.
 * Threads: any.
 * Errors:  see enum nbx_decimal.
 */
#ifndef NBX_BASE_DECIMAL_H
#define NBX_BASE_DECIMAL_H

#include "engine/base/str.h"

enum nbx_decimal {
    NBX_DECIMAL_OK,
    NBX_DECIMAL_NOT_A_NUMBER, /* not [+-]digits[.digits] */
    NBX_DECIMAL_TOO_FINE,     /* a digit other than 0 beyond the scale */
    NBX_DECIMAL_HAS_POINT,    /* a decimal point where the scale is 0 */
    NBX_DECIMAL_TOO_LARGE,    /* beyond int64 */
};

/* "12.5" at scale 2 is 1250. scale 0 to 18. *out is untouched on failure. */
enum nbx_decimal nbx_decimal_parse(int64_t *out, struct nbx_str text, unsigned scale);

#endif
