/* SPDX-License-Identifier: MIT
 * Sketches: vectors as codes of 4 bits, in tiles of 16, each with a bound on what that leaves out.
 *
 * Why:     most items are out of the question, and a few bits show it: of trained vectors 4 bits a
 *          dimension leave about twice as many in doubt as are wanted, at an eighth of the bytes,
 *          and what is in doubt is scored canonically. So a scan's answer is exact, always. (With 2
 *          bits ten times as many are in doubt, which costs more than the scan saves; boxes around
 *          neighbours in direction leave out half the tiles, and cost as much as they save.)
 *
 *          Vector x is drawn as x^ = unit * step * (2 c_d - 15), with codes c_d in 0..15 and that
 *          step of 1..256 which brings x^ nearest to it; |x - x^| <= error * e with e in 1..256. A
 *          query has codes in -127..127, q^ = unit * code. By Cauchy-Schwarz
 *              q.x <= q^.x^ + |q - q^| |x| + |q^| |x - x^|,
 *          and the canonical score differs from q.x by at most its own rounding, n 2^-24 |q| |x|
 *          for n roundings in a row, and d 2^-149 where products are subnormal. (The step is
 *          Lloyd's, "Least squares quantization in PCM", 1982; bounds on what a code leaves out
 *          stand in VA-files, Weber et al. 1998, and in RaBitQ, Gao and Long 2024.)
 *
 *          Layout of a tile: for each 8 dimensions the 16 vectors' 4 bytes, one register of 64;
 *          byte j has dimension j in its low half and 4 + j in its high one.
 * Owns:    nothing.
 * Threads: any.
 * Errors:  none: vectors are finite.
 */
#ifndef NBX_SCORE_SKETCH_H
#define NBX_SCORE_SKETCH_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#define NBX_TILE_ITEMS   16
#define NBX_TILE_SCALES  (2 * NBX_TILE_ITEMS) /* bytes: 16 steps, 16 errors, each less 1 */
#define NBX_SKETCH_GROUP 8                    /* dimensions side by side */
#define NBX_SKETCH_MOST  256                  /* vectors that share their units */
#define NBX_SKETCH_STEPS 256

/* Of one group of a tile: 4 bytes for each of its vectors. */
#define NBX_GROUP_LANE  4
#define NBX_GROUP_BYTES (NBX_TILE_ITEMS * NBX_GROUP_LANE)

static inline size_t nbx_sketch_groups(size_t dim)
{
    return (dim + NBX_SKETCH_GROUP - 1) / NBX_SKETCH_GROUP;
}

/* Tiles side by side. */
struct nbx_sketches {
    uint8_t *codes;  /* (n, bytes) */
    uint8_t *scales; /* (n, 32) */
    size_t bytes;    /* of a tile's codes: nbx_sketch_groups of its dimensions, times 64 */
};

/* The same from a tile on. */
static inline struct nbx_sketches nbx_sketches_at(const struct nbx_sketches *s, size_t tile)
{
    return (struct nbx_sketches){s->codes + tile * s->bytes, s->scales + tile * NBX_TILE_SCALES,
                                 s->bytes};
}

/* What bounds the scores of vectors that share their units. Rounded up. */
struct nbx_sketch_info {
    float norm; /* largest |x| */
    float unit, error;
};

/* The vectors to draw: (n, stride) floats, of which dim count. */
struct nbx_sketch_rows {
    const float *p;
    size_t n, stride, dim;
};

/* |x| as info has it. */
float nbx_sketch_norm(const float *x, size_t dim);

/* Bounds by lengths are loose where items are long in the dimensions that queries are short in. So
 * an index may have a stretch, powers of two from 1 up by dimension: sketches are drawn of
 * stretched items and of shrunk queries, whose inner products are the same. NULL: none. */
#define NBX_SKETCH_MOST_STRETCH 0x1p20F
/* out (dim) = x stretched. Exact; an entry that passes the largest float becomes infinite, and so
 * does the norm, which then bounds nothing. */
void nbx_sketch_stretch(float *out, const float *x, const float *stretch, size_t dim);
/* out (dim) = x shrunk. Entries of less than 2^-126 are rounded: nbx_sketch_allow_shrunk. */
void nbx_sketch_shrink(float *out, const float *x, const float *stretch, size_t dim);
/* Draws rows (n at most NBX_SKETCH_MOST) into zeroed tiles. scratch: (dim). */
void nbx_sketch_draw(const struct nbx_sketches *to, struct nbx_sketch_info *info,
                     const struct nbx_sketch_rows *rows, uint8_t *scratch);

/* A vector among sketches, and what bounds it there. */
struct nbx_sketch_place {
    const struct nbx_sketches *tiles;
    const struct nbx_sketch_info *info;
    size_t at;
};

/* Draws into zeroed tiles what lies elsewhere (n at most NBX_SKETCH_MOST), without the vectors:
 * codes stay, steps are rounded to new units, and what that moves is added to the errors. */
void nbx_sketch_copy(const struct nbx_sketches *to, struct nbx_sketch_info *info, size_t dim,
                     const struct nbx_sketch_place *from, size_t n);

/* What a kernel needs of a query. */
struct nbx_codes {
    const int8_t *codes; /* (nbx_padded) zeros behind the last dimension */
    size_t groups;       /* nbx_sketch_groups */
    int32_t zero;        /* -15 times the sum of the codes */
};

/* A query in codes, with all that its bounds need. */
struct nbx_sketch_query {
    struct nbx_codes codes;
    double norm;     /* |q|, rounded up */
    double error;    /* |q - q^|, rounded up */
    double unit;     /* q^ = unit * code */
    double rounding; /* relative error of a canonical score */
    double smallest; /* absolute error of subnormal products */
};

/* vector: (dim). codes: room for nbx_padded(dim), borrowed by out. */
void nbx_sketch_quantise(struct nbx_sketch_query *out, int8_t *codes, const float *vector,
                         size_t dim);
/* Of a quantised vector that was shrunk before: bounds hold for what it was, too. */
void nbx_sketch_allow_shrunk(struct nbx_sketch_query *query, size_t dim);

/* A sketch's score s (kernel.h) and error factor e stand for canonical scores up to
 *     s * scale + e * slack + error,
 * computed in floats or better. */
struct nbx_sketch_bound {
    double scale, slack, error;
};
void nbx_sketch_bound(struct nbx_sketch_bound *out, const struct nbx_sketch_query *query,
                      const struct nbx_sketch_info *info);
/* The largest canonical score that an item of norm `norm` can have; where that passes FLT_MAX it
 * may be infinite. */
static inline double nbx_sketch_bound_by_norm(const struct nbx_sketch_query *query, float norm)
{
    return norm < INFINITY ? query->norm * norm * (1 + query->rounding) + query->smallest
                           : INFINITY; /* even for a query of zeros */
}

#endif
