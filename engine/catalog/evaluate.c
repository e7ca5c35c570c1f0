/* SPDX-License-Identifier: MIT */
#include "engine/catalog/compile.h"

/* Each test walks its column 64 rows at a time: a loop that fills 64 bytes with 0 or 1, which the
 * compiler turns into vector instructions, then eight multiplications that gather them. */

static uint64_t gather(const uint8_t *passes)
{
    uint64_t bits = 0;
    for (uint32_t i = 0; i < 8; i++) {
        uint64_t eight;
        memcpy(&eight, passes + 8 * i, sizeof eight);
        bits |= (eight * UINT64_C(0x0102040810204080) >> 56) << (8 * i);
    }
    return bits;
}

#define EACH_WORD(bits, test)                                                                      \
    for (uint32_t w = 0; w < NBX_CHUNK_WORDS; w++) {                                               \
        uint8_t passes[64];                                                                        \
        for (uint32_t i = 0; i < 64; i++)                                                          \
            passes[i] = (test);                                                                    \
        (bits)[w] = gather(passes);                                                                \
    }

static void fill(uint64_t *bits, bool passes)
{
    memset(bits, passes ? 0xFF : 0, NBX_CHUNK_WORDS * sizeof *bits);
}

static bool in_codes(const struct nbx_filter_node *f, uint32_t code)
{
    if (!f->n || !code)
        return false;
    const uint32_t *p = f->codes.p;
    if (!f->codes.mask)
        return (code == p[0]) | (code == p[1]) | (code == p[2]) | (code == p[3]);
    uint32_t at = nbx_filter_slot(code) & f->codes.mask;
    while (p[at] && p[at] != code)
        at = (at + 1) & f->codes.mask;
    return p[at] == code;
}

static void test_code(uint64_t *bits, const struct nbx_filter_node *f, const uint32_t *codes)
{
    if (f->n && !f->codes.mask) {
        uint32_t a = f->codes.p[0], b = f->codes.p[1], c = f->codes.p[2], d = f->codes.p[3];
        EACH_WORD(bits, (codes[w * 64 + i] == a) | (codes[w * 64 + i] == b) |
                            (codes[w * 64 + i] == c) | (codes[w * 64 + i] == d))
    } else {
        EACH_WORD(bits, in_codes(f, codes[w * 64 + i]))
    }
}

/* The id is the row's number. */
static void test_id(uint64_t *bits, const struct nbx_filter_node *f, uint32_t first_no)
{
    EACH_WORD(bits, in_codes(f, first_no + w * 64 + i))
}

static bool has_one(const struct nbx_filter_node *f, const uint32_t *values, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (in_codes(f, values[i]))
            return true;
    return false;
}

static bool has_all(const struct nbx_filter_node *f, const uint32_t *values, uint32_t n)
{
    for (uint32_t want = 0; want < f->n; want++) {
        uint32_t i = 0;
        while (i < n && values[i] != f->codes.p[want])
            i++;
        if (i == n)
            return false;
    }
    return true;
}

static bool many_pass(const struct nbx_filter_node *f, const struct nbx_segment *s, uint32_t row)
{
    uint32_t n;
    const uint32_t *values = nbx_segment_many(s, row, &n);
    if (!values)
        return false;
    return f->test == NBX_TEST_CODES ? has_one(f, values, n) : has_all(f, values, n);
}

static bool int_listed(const struct nbx_filter_node *f, int64_t v)
{
    uint32_t from = 0, to = f->n;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (f->int_list[middle] < v)
            from = middle + 1;
        else
            to = middle;
    }
    return from < f->n && f->int_list[from] == v;
}

static bool float_listed(const struct nbx_filter_node *f, double v)
{
    uint32_t from = 0, to = f->n;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (f->float_list[middle] < v)
            from = middle + 1;
        else
            to = middle;
    }
    return from < f->n && f->float_list[from] == v;
}

static void test_exists(uint64_t *bits, const struct nbx_segment *s)
{
    const int64_t *ints = nbx_segment_ints(s);
    const double *floats = nbx_segment_floats(s);
    const uint32_t *codes = nbx_segment_codes(s);
    switch (s->type) {
    case NBX_COLUMN_INT: EACH_WORD(bits, ints[w * 64 + i] != NBX_INT_MISSING) break;
    case NBX_COLUMN_FLOAT: EACH_WORD(bits, !isnan(floats[w * 64 + i])) break;
    case NBX_COLUMN_BOOL: EACH_WORD(bits, s->data[w * 64 + i] != NBX_BOOL_MISSING) break;
    case NBX_COLUMN_VECTOR: EACH_WORD(bits, nbx_segment_vectors(s)[w * 64 + i] != NULL) break;
    default: EACH_WORD(bits, codes[w * 64 + i] != 0) break;
    }
}

static void test_segment(uint64_t *bits, const struct nbx_filter_node *f,
                         const struct nbx_segment *s)
{
    const int64_t *ints = nbx_segment_ints(s);
    const double *floats = nbx_segment_floats(s);
    int64_t from = f->ints.from, to = f->ints.to;
    double above = f->floats.from, below = f->floats.to;
    switch (f->test) {
    case NBX_TEST_CODE: test_code(bits, f, nbx_segment_codes(s)); break;
    case NBX_TEST_CODES:
    case NBX_TEST_ALL_CODES: EACH_WORD(bits, many_pass(f, s, w * 64 + i)) break;
    case NBX_TEST_INT_RANGE:
        EACH_WORD(bits, (ints[w * 64 + i] >= from) & (ints[w * 64 + i] <= to))
        break;
    case NBX_TEST_FLOAT_RANGE: /* NaN fails both */
        EACH_WORD(bits, (floats[w * 64 + i] >= above) & (floats[w * 64 + i] <= below))
        break;
    case NBX_TEST_INT_LIST: EACH_WORD(bits, int_listed(f, ints[w * 64 + i])) break;
    case NBX_TEST_FLOAT_LIST: EACH_WORD(bits, float_listed(f, floats[w * 64 + i])) break;
    case NBX_TEST_BOOL: EACH_WORD(bits, f->bools[s->data[w * 64 + i]]) break;
    default: test_exists(bits, s); break;
    }
}

static void test_column(uint64_t *bits, const struct nbx_filter_node *f,
                        const struct nbx_chunk *chunk, uint32_t first_no)
{
    const struct nbx_segment *s = nbx_chunk_segment(chunk, f->column);
    bool is_id = f->column == NBX_COL_ID;
    if (is_id && f->test == NBX_TEST_CODE)
        test_id(bits, f, first_no);
    else if (is_id || !s)
        fill(bits, is_id);
    else
        test_segment(bits, f, s);
    if (!f->but)
        return;
    uint64_t there[NBX_CHUNK_WORDS];
    fill(there, is_id);
    if (!is_id && s)
        test_exists(there, s);
    for (uint32_t w = 0; w < NBX_CHUNK_WORDS; w++)
        bits[w] = there[w] & ~bits[w];
}

/* Recursion ends at NBX_MAX_FILTER_DEPTH. */
void nbx_filter_chunk(uint64_t *bits, const struct nbx_filter_node *f,
                      const struct nbx_chunk *chunk, uint32_t first_no)
{
    if (f->test > NBX_TEST_NOT) {
        test_column(bits, f, chunk, first_no);
        return;
    }
    bool all = f->test == NBX_TEST_ALL, inverted = f->test == NBX_TEST_NOT;
    fill(bits, all || inverted);
    for (uint32_t i = 0; i < f->n; i++) {
        uint64_t child[NBX_CHUNK_WORDS];
        nbx_filter_chunk(child, &f->children[i], chunk, first_no);
        for (uint32_t w = 0; w < NBX_CHUNK_WORDS; w++)
            bits[w] = inverted ? ~child[w] : all ? bits[w] & child[w] : bits[w] | child[w];
    }
}
