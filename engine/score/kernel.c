/* SPDX-License-Identifier: MIT */
#include "engine/score/kernel.h"

#include "engine/base/log.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("popcnt");
}

static bool has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
}

const struct nbx_kernel *nbx_kernel_find(const char *name)
{
    if (strcmp(name, nbx_kernel_avx512.name) == 0)
        return has_avx512() ? &nbx_kernel_avx512 : NULL;
    if (strcmp(name, nbx_kernel_avx2.name) == 0)
        return has_avx2() ? &nbx_kernel_avx2 : NULL;
    return strcmp(name, nbx_kernel_portable.name) == 0 ? &nbx_kernel_portable : NULL;
}
#else
const struct nbx_kernel *nbx_kernel_find(const char *name)
{
    return strcmp(name, nbx_kernel_portable.name) == 0 ? &nbx_kernel_portable : NULL;
}
#endif

const struct nbx_kernel *nbx_kernel_choose(const char *wanted)
{
    static const char *const fastest_first[] = {"avx512", "avx2", "portable"};
    const struct nbx_kernel *k = wanted && wanted[0] ? nbx_kernel_find(wanted) : NULL;
    for (size_t i = 0; !k && i < sizeof fastest_first / sizeof *fastest_first; i++) {
        k = nbx_kernel_find(fastest_first[i]);
        if (k && wanted && wanted[0])
            nbx_log_warnx("kernel_unavailable wanted=%s used=%s", wanted, k->name);
    }
    return k;
}

/* Two threads may both choose: they choose the same. */
const struct nbx_kernel *nbx_kernel(void)
{
    static const struct nbx_kernel *_Atomic chosen;
    const struct nbx_kernel *k = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (!k) {
        k = nbx_kernel_choose(getenv("NBX_KERNEL"));
        atomic_store_explicit(&chosen, k, memory_order_relaxed);
    }
    return k;
}
