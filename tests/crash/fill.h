/* SPDX-License-Identifier: MIT
 * Fills a daemon with customers and events, as fast as it takes them.
 *
 * Why:     what a million customers cost in memory shows only in a daemon that got them by the
 *          ordinary way.
 * Threads: main.
 * Errors:  false, after saying on stdout what failed.
 */
#ifndef NBX_TEST_CRASH_FILL_H
#define NBX_TEST_CRASH_FILL_H

#include "tests/crash/daemon.h"

struct fill {
    unsigned customers, events, items; /* events of each customer, on items of the catalogue */
    uint64_t seed;
};

struct filled {
    double seconds;
    double peak_mib; /* largest resident size seen on the way */
};

/* Puts the items; then visits of every customer, of some events each, one customer after the other,
 * as often as it takes. Everything fanned out, acknowledged as memory. */
bool fill_daemon(const struct daemon *d, const struct fill *fill, struct filled *out);

#endif
