/* SPDX-License-Identifier: MIT
 * Seeded randomness: xoshiro256++ (Blackman and Vigna 2019), seeded by splitmix64.
 *
 * Threads: one generator per thread. The same seed gives the same numbers on every machine.
 */
#ifndef NBX_BASE_RANDOM_H
#define NBX_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct nbx_random {
    uint64_t s[4];
};

void nbx_random_init(struct nbx_random *r, uint64_t seed);
uint64_t nbx_random_u64(struct nbx_random *r);
/* Uniform in [0, n), without bias (Lemire 2019). n > 0. */
uint64_t nbx_random_below(struct nbx_random *r, uint64_t n);
/* Uniform in [0, 1), 53 bits. */
double nbx_random_unit(struct nbx_random *r);
/* Normal(0, 1), Box-Muller. */
double nbx_random_normal(struct nbx_random *r);

/* n bytes from the operating system: ids, salts. Ends the process where there are none. */
void nbx_random_system(void *out, size_t n);

#endif
