/* SPDX-License-Identifier: MIT */
#include "engine/score/dot.h"

#include "engine/base/check.h"
#include "engine/score/kernel.h"

#include <math.h>

float nbx_dot_reference(const float *x, const float *y, size_t padded)
{
    NBX_DCHECK(padded % NBX_LANES == 0);
    float acc[NBX_LANES] = {0};
    for (size_t j = 0; j < padded; j += NBX_LANES)
        for (size_t l = 0; l < NBX_LANES; l++)
            acc[l] = fmaf(x[j + l], y[j + l], acc[l]);
    for (size_t half = NBX_LANES / 2; half; half /= 2)
        for (size_t l = 0; l < half; l++)
            acc[l] = acc[l] + acc[l + half];
    return acc[0];
}

float nbx_dot(const float *x, const float *y, size_t padded)
{
    return nbx_kernel()->dot(x, y, padded);
}

void nbx_dot_rows(float *out, const float *x, const float *y, size_t n, size_t padded)
{
    nbx_kernel()->rows(out, x, y, n, padded);
}

const char *nbx_dot_kernel(void)
{
    return nbx_kernel()->name;
}
