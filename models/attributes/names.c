/* SPDX-License-Identifier: MIT */
#include "models/attributes/names.h"

#include <stdio.h>

struct naming {
    nbx_feature_fn *tell;
    void *ctx;
};

/* One code point; moves *text behind it. What is not UTF-8 gives some number, and reads no further
 * than the text. */
static uint32_t next_point(struct nbx_str *text)
{
    const unsigned char *p = (const unsigned char *)text->p;
    uint32_t n = p[0] < 0x80 ? 1 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
    n = n < text->len ? n : text->len;
    uint32_t point = n == 1 ? p[0] : p[0] & (0x7FU >> n);
    for (uint32_t i = 1; i < n; i++)
        point = point << 6 | (p[i] & 0x3FU);
    *text = (struct nbx_str){text->p + n, text->len - n};
    return point;
}

static uint32_t put_point(char out[4], uint32_t point)
{
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    uint32_t n = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (uint32_t i = n; i-- > 1; point >>= 6)
        out[i] = (char)(0x80 | (point & 0x3F));
    out[0] = (char)((0xF00U >> n & 0xFF) | point);
    return n;
}

static bool is_between(uint32_t point, uint32_t first, uint32_t last)
{
    return point >= first && point <= last;
}

/* Letters and digits; of what is not ASCII all but the signs of Latin-1 and two blocks of
 * punctuation, so that no table of all scripts is needed. */
static bool is_of_word(uint32_t point)
{
    if (point < 0x80)
        return is_between(point, '0', '9') || is_between(point, 'A', 'Z') ||
               is_between(point, 'a', 'z');
    if (point < 0xC0)
        return point == 0xAA || point == 0xB5 || point == 0xBA;
    return point != 0xD7 && point != 0xF7 && !is_between(point, 0x2000, 0x206F) &&
           !is_between(point, 0x3000, 0x303F);
}

/* Latin Extended-A: pairs of a capital and its small letter, of which the capital is even in
 * some runs and odd in others. */
static uint32_t lower_extended(uint32_t point)
{
    if (point == 0x130)
        return 'i';
    if (point == 0x178)
        return 0xFF;
    if (is_between(point, 0x139, 0x148) || is_between(point, 0x179, 0x17E))
        return point + (point & 1);
    return point == 0x138 ? point : point | 1;
}

static uint32_t lower_greek(uint32_t point)
{
    if (is_between(point, 0x391, 0x3AB))
        return point == 0x3A2 ? point : point + 32;
    if (is_between(point, 0x388, 0x38A))
        return point + 37;
    return point == 0x386                     ? 0x3AC
           : point == 0x38C                   ? 0x3CC
           : point == 0x38E || point == 0x38F ? point + 63
                                              : point;
}

/* Unicode's simple mapping for the letters that shops of Europe use. */
static uint32_t lower(uint32_t point)
{
    if (point < 0xC0)
        return is_between(point, 'A', 'Z') ? point + 32 : point;
    if (point <= 0xDE)
        return point == 0xD7 ? point : point + 32;
    if (is_between(point, 0x100, 0x17F))
        return lower_extended(point);
    if (is_between(point, 0x386, 0x3AB))
        return lower_greek(point);
    if (is_between(point, 0x400, 0x40F))
        return point + 80;
    return is_between(point, 0x410, 0x42F) ? point + 32 : point;
}

static void tell(const struct naming *n, struct nbx_str kind, struct nbx_str value)
{
    char name[NBX_FEATURE_MAX_BYTES + 1];
    size_t len = (size_t)kind.len + 1 + value.len;
    if (!value.len || len > NBX_FEATURE_MAX_BYTES || memchr(value.p, 0, value.len))
        return;
    snprintf(name, sizeof name, "%.*s=%.*s", NBX_STR_ARG(kind), NBX_STR_ARG(value));
    n->tell(n->ctx, (struct nbx_str){name, (uint32_t)len});
}

/* The next word in lower case into out; its bytes, 0 at the end of the text. A word too long for
 * a name is cut, and then it is none. */
static uint32_t next_word(char out[NBX_FEATURE_MAX_BYTES], struct nbx_str *text, uint32_t *points)
{
    uint32_t n = 0;
    *points = 0;
    while (text->len) {
        uint32_t point = next_point(text);
        bool inside = is_of_word(point);
        if (!inside && n)
            return n;
        if (inside && n + 4 <= NBX_FEATURE_MAX_BYTES)
            n += put_point(out + n, lower(point));
        *points += inside;
    }
    return n;
}

static void tell_words(const struct naming *n, struct nbx_str title)
{
    char word[NBX_FEATURE_MAX_BYTES];
    uint32_t len, points;
    for (int told = 0; told < NBX_FEATURE_MAX_WORDS && (len = next_word(word, &title, &points));) {
        if (points < 2)
            continue;
        tell(n, NBX_STR("word"), (struct nbx_str){word, len});
        told++;
    }
}

static void tell_price(const struct naming *n, int64_t price, struct nbx_price_bounds prices)
{
    char text[24];
    size_t i = 0;
    while (i < prices.n && prices.bounds[i] <= price)
        i++;
    snprintf(text, sizeof text, "%zu", i);
    tell(n, NBX_STR("price"), nbx_str_c(text));
}

void nbx_features_name(const struct nbx_item_facts *facts, struct nbx_price_bounds prices,
                       nbx_feature_fn *fn, void *ctx)
{
    const struct naming n = {fn, ctx};
    fn(ctx, NBX_STR(NBX_FEATURE_ITEM));
    tell(&n, NBX_STR("brand"), facts->brand);
    for (size_t i = 0; i < facts->n_categories && i < NBX_FEATURE_MAX_CATEGORIES; i++)
        tell(&n, NBX_STR("category"), facts->categories[i]);
    tell_words(&n, facts->title);
    if (facts->has_price)
        tell_price(&n, facts->price, prices);
}

void nbx_customer_features_name(const struct nbx_customer_facts *facts, nbx_feature_fn *fn,
                                void *ctx)
{
    const struct naming n = {fn, ctx};
    fn(ctx, NBX_STR(NBX_FEATURE_CUSTOMER));
    for (size_t i = 0; i < facts->n && i < NBX_FEATURE_MAX_FACTS; i++)
        tell(&n, facts->list[i].attribute, facts->list[i].value);
}
