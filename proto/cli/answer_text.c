/* SPDX-License-Identifier: MIT */
#include "proto/cli/answer_text.h"

#include "engine/base/csv.h"
#include "engine/json/json.h"

static uint32_t count(const struct nbx_value *list)
{
    return list && list->type == NBX_LIST ? list->n : 0;
}

/* Strings as they are, lists of strings as a|b, which `nbx import` reads, all else as JSON. */
static void put_value(struct nbx_buf *b, const struct nbx_value *v)
{
    struct nbx_buf text = {0};
    if (v->type == NBX_STRING)
        nbx_buf_put(&text, v->s.p, v->s.len);
    else if (v->type == NBX_LIST && v->n > 0 && v->list[0].type == NBX_STRING)
        for (uint32_t i = 0; i < v->n; i++)
            nbx_buf_printf(&text, "%s%.*s", i ? "|" : "", NBX_STR_ARG(v->list[i].s));
    else if (nbx_json_encode(&text, v))
        text.failed = true;
    nbx_csv_put(b, (struct nbx_str){text.p ? (const char *)text.p : "", (uint32_t)text.len});
    b->failed |= text.failed;
    nbx_buf_fini(&text);
}

static void put_member(struct nbx_buf *b, const struct nbx_value *map, struct nbx_str key)
{
    const struct nbx_value *v = nbx_value_get_str(map, key);
    if (v)
        put_value(b, v);
}

static void put_row(struct nbx_buf *b, const struct nbx_answer_text *t,
                    const struct nbx_value *result, uint32_t i)
{
    const struct nbx_value *item = &nbx_value_get(result, "items")->list[i];
    const struct nbx_value *score = nbx_value_get(item, "score");
    const struct nbx_value *fields = nbx_value_get(item, "fields");
    put_member(b, result, NBX_STR("customer"));
    nbx_buf_printf(b, ",%u,", i + 1);
    put_member(b, item, NBX_STR("id"));
    /* a score is a 32-bit float, which 9 digits name exactly */
    nbx_buf_printf(b, ",%.9g", score && score->type == NBX_FLOAT ? score->f : 0);
    for (uint32_t f = 0; f < count(t->fields); f++) {
        nbx_buf_put_u8(b, ',');
        if (fields)
            put_member(b, fields, t->fields->list[f].s);
    }
    nbx_buf_put_u8(b, '\n');
}

void nbx_answer_text_head(struct nbx_buf *b, const struct nbx_answer_text *t)
{
    if (t->jsonl)
        return;
    nbx_buf_printf(b, "customer_id,rank,item_id,score");
    for (uint32_t f = 0; f < count(t->fields); f++) {
        nbx_buf_put_u8(b, ',');
        nbx_csv_put(b, t->fields->list[f].s);
    }
    nbx_buf_put_u8(b, '\n');
}

void nbx_answer_text_put(struct nbx_buf *b, const struct nbx_answer_text *t,
                         const struct nbx_value *result)
{
    if (!t->jsonl) {
        for (uint32_t i = 0; i < count(nbx_value_get(result, "items")); i++)
            put_row(b, t, result, i);
        return;
    }
    if (nbx_json_encode(b, result))
        b->failed = true;
    nbx_buf_put_u8(b, '\n');
}
