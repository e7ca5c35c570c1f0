/* SPDX-License-Identifier: MIT
 * Tiles: 16 vectors as 8-bit codes, and queries as codes to score them with.
 *
 * Why:     a scan of codes reads a quarter of the bytes, and one instruction multiplies 64 pairs.
 *          Every tile and query knows its quantisation error, so that a scan's score is an interval
 *          that holds the canonical score, always: the certificate of exact retrieval.
 *
 *          Vector x has codes c_d in -127..127 and a step, x^ = unit * step * c; query q likewise
 *          has q^ = unit * c. With e_x = x - x^ and e_q = q - q^,
 *              |q.x - q^.x^| <= |e_q| |x| + |q^| |e_x|                       (Cauchy-Schwarz)
 *          and the canonical score differs from q.x by at most its own rounding, n 2^-24 |q| |x|
 *          for n roundings in a row, and d 2^-149 where products are subnormal.
 *
 *          Layout of a tile: for each 4 dimensions the 16 vectors' 4 codes, each plus 128: one
 *          register, 64 bytes.
 * Owns:    nothing.
 * Threads: any.
 * Errors:  none: vectors are finite.
 */
#ifndef NBX_SCORE_TILE_H
#define NBX_SCORE_TILE_H

#include <stddef.h>
#include <stdint.h>

#define NBX_TILE_ITEMS  16
#define NBX_TILE_GROUP  4                                 /* dimensions side by side */
#define NBX_GROUP_BYTES (NBX_TILE_ITEMS * NBX_TILE_GROUP) /* of one group of a tile */
#define NBX_CODE_ZERO   128                               /* added to an item's codes */
#define NBX_STEPS       256

static inline size_t nbx_tile_groups(size_t dim)
{
    return (dim + NBX_TILE_GROUP - 1) / NBX_TILE_GROUP;
}
static inline size_t nbx_tile_bytes(size_t dim)
{
    return nbx_tile_groups(dim) * NBX_GROUP_BYTES;
}

/* Packed tiles, side by side. */
struct nbx_tiles {
    const uint8_t *codes; /* (n, bytes) */
    const uint8_t *steps; /* (n, 16) */
    size_t bytes;         /* nbx_tile_bytes of their dimensions */
};

/* What a kernel needs of a query. */
struct nbx_codes {
    const int8_t *codes; /* (groups * 4), zeros behind the last dimension */
    size_t groups;
    int32_t zero; /* -128 times the sum of the codes: takes NBX_CODE_ZERO out again */
};

/* What bounds the scores of one or more tiles' vectors. Rounded up. */
struct nbx_tile_info {
    float norm;  /* largest |x| */
    float error; /* largest |x - x^| */
    float unit;  /* x^ = unit * step * code */
};

/* The vectors that a tile is packed from: (n, stride) floats, of which dim count. */
struct nbx_tile_rows {
    const float *p;
    size_t n, stride, dim;
};

/* A unit fine enough for these vectors (any number of them), to be shared by their tiles. */
float nbx_tile_unit(const struct nbx_tile_rows *rows);
/* Up to 16 vectors into codes (nbx_tile_bytes(dim)) and steps (16), each less 1; behind the last
 * vector all is zero. info->unit is set; norm and error are raised to hold these as well. */
void nbx_tile_pack(uint8_t *codes, uint8_t *steps, struct nbx_tile_info *info,
                   const struct nbx_tile_rows *rows);

/* A query, quantised, with all that its bounds need. */
struct nbx_tile_query {
    struct nbx_codes codes;
    double norm;     /* |q|, rounded up */
    double error;    /* |q - q^|, rounded up */
    double unit;     /* q^ = unit * code */
    double rounding; /* relative error of a canonical score and of a scan's arithmetic */
    double smallest; /* absolute error of subnormal products */
};

/* codes: room for groups * 4. code_max: the kernel's. vector: (dim). */
void nbx_tile_quantise(struct nbx_tile_query *out, int8_t *codes, const float *vector, size_t dim,
                       int code_max);

/* A scan's score s of an item of the tile stands for canonical scores in s * scale +- error. */
struct nbx_tile_bound {
    double scale, error;
};
struct nbx_tile_bound nbx_tile_bound(const struct nbx_tile_query *query,
                                     const struct nbx_tile_info *info);
/* The largest canonical score that an item of norm `norm` can have. */
static inline double nbx_tile_most(const struct nbx_tile_query *query, float norm)
{
    return query->norm * norm * (1 + query->rounding) + query->smallest;
}

#endif
