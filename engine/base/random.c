/* SPDX-License-Identifier: MIT */
#include "engine/base/random.h"

#include "engine/base/check.h"

#include <math.h>
#include <sys/random.h>

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = (*state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

void nbx_random_init(struct nbx_random *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        r->s[i] = splitmix64(&seed);
}

static uint64_t rotl(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

uint64_t nbx_random_u64(struct nbx_random *r)
{
    uint64_t *s = r->s, result = rotl(s[0] + s[3], 23) + s[0], t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

uint64_t nbx_random_below(struct nbx_random *r, uint64_t n)
{
    __uint128_t m = (__uint128_t)nbx_random_u64(r) * n;
    if ((uint64_t)m < n) {
        uint64_t floor = -n % n;
        while ((uint64_t)m < floor)
            m = (__uint128_t)nbx_random_u64(r) * n;
    }
    return (uint64_t)(m >> 64);
}

double nbx_random_unit(struct nbx_random *r)
{
    return (double)(nbx_random_u64(r) >> 11) * 0x1p-53;
}

double nbx_random_normal(struct nbx_random *r)
{
    double u = 1.0 - nbx_random_unit(r), v = nbx_random_unit(r);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

void nbx_random_system(void *out, size_t n)
{
    uint8_t *p = out;
    while (n > 0) {
        ssize_t got = getrandom(p, n, 0);
        NBX_ASSERT(got > 0);
        p += got;
        n -= (size_t)got;
    }
}
