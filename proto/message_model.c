/* SPDX-License-Identifier: MIT
 * model.push, model.read, and what names a version: model.get, model.stage, model.activate,
 * model.delete. */
#include "proto/field.h"

/* model.push */

#define COMMIT(name, member) NBX_FIELD(name, struct nbx_model_commit, member)

static const struct nbx_field commit_fields[] = {
    {COMMIT("notes", notes), nbx_field_text, .min = 1, .max = NBX_MAX_TEXT_BYTES},
    {COMMIT("metrics", metrics), nbx_field_metrics, .max = NBX_MAX_METRICS},
    {COMMIT("parent", parent), nbx_field_name},
    {COMMIT("by", by), nbx_field_id},
    {COMMIT("activate", activate), nbx_field_bool},
};
static const struct nbx_field_table commit_table = {commit_fields, NBX_COUNT(commit_fields)};

static NBX_FIELD_READER(read_commit)
{
    struct nbx_model_commit *commit = at;
    (void)f;
    commit->asked = true;
    return nbx_field_map(commit, v, &commit_table, d);
}

static NBX_FIELD_READER(read_digest)
{
    (void)f;
    bool good = v->type == NBX_STRING && v->s.len == NBX_MODEL_DIGITS;
    for (uint32_t i = 0; good && i < NBX_MODEL_DIGITS; i++)
        good = (v->s.p[i] >= '0' && v->s.p[i] <= '9') || (v->s.p[i] >= 'a' && v->s.p[i] <= 'f');
    if (!good)
        return nbx_fault_set(
            d->fault, NBX_EBAD, NULL,
            "must be the %d hex digits (0-9, a-f) that b2sum -l 256 prints, got %s",
            NBX_MODEL_DIGITS, v->type == NBX_STRING ? "others" : nbx_value_type_name(v->type));
    *(struct nbx_str *)at = v->s;
    return NBX_OK;
}

static NBX_FIELD_READER(read_data)
{
    if (v->type != NBX_BIN)
        return nbx_field_wrong_type(v, d, "a bin");
    if (v->s.len > f->max)
        return nbx_fault_set(d->fault, NBX_EBAD, NULL,
                             "must be a bin of at most %lld bytes, got %u", (long long)f->max,
                             v->s.len);
    *(struct nbx_str *)at = v->s;
    return NBX_OK;
}

#define PUSH(name, member) NBX_FIELD(name, struct nbx_model_push_req, member)

static const struct nbx_field push_fields[] = {
    {PUSH("digest", digest), read_digest, .required = true},
    {PUSH("bytes", bytes), nbx_field_int, .min = 1, .max = INT64_MAX, .required = true},
    {PUSH("offset", offset), nbx_field_int, .max = INT64_MAX},
    {PUSH("data", data), read_data, .max = NBX_MAX_CHUNK},
    {PUSH("commit", commit), read_commit},
    {PUSH("id", id), nbx_field_echo},
};
static const struct nbx_field_table push_table = {push_fields, NBX_COUNT(push_fields)};

enum nbx_err nbx_message_model_push(struct nbx_model_push_req *out, struct nbx_body body,
                                    struct nbx_arena *arena, struct nbx_fault *fault)
{
    *out = (struct nbx_model_push_req){0};
    struct nbx_decoding d = {.arena = arena, .fault = fault};
    return nbx_field_body(out, &out->id, body, &push_table, &d);
}

/* a version */

#define VERSION(name, member) NBX_FIELD(name, struct nbx_model_version_req, member)

const char *const nbx_model_stages[] = {"staged", "shadow", "canary", "active", "archived", NULL};

static enum nbx_err read_share(void *at, const struct nbx_value *v, const struct nbx_field *f,
                               struct nbx_decoding *d)
{
    (void)f;
    double share = v->type == NBX_FLOAT ? v->f : v->type == NBX_INT ? (double)v->i : 0;
    if (!(share > 0 && share <= 1))
        return nbx_fault_set(d->fault, NBX_EBAD, NULL, "must be a number above 0, at most 1");
    *(double *)at = share;
    return NBX_OK;
}

static const struct nbx_field version_fields[] = {
    {VERSION("name", name), nbx_field_name, .required = true},
    {VERSION("version", version), nbx_field_name, .required = true},
    {VERSION("id", id), nbx_field_echo},
    {VERSION("stage", stage), nbx_field_word, .words = nbx_model_stages, .required = true},
    {VERSION("share", share), read_share},
};
static const struct nbx_field_table stage_table = {version_fields, NBX_COUNT(version_fields)};
static const struct nbx_field_table version_table = {version_fields, NBX_COUNT(version_fields) - 2};

enum nbx_err nbx_message_model_version(struct nbx_model_version_req *out, struct nbx_body body,
                                       bool stage, struct nbx_arena *arena, struct nbx_fault *fault)
{
    *out = (struct nbx_model_version_req){0};
    struct nbx_decoding d = {.arena = arena, .fault = fault};
    return nbx_field_body(out, &out->id, body, stage ? &stage_table : &version_table, &d);
}

/* model.read */

#define READ(name, member) NBX_FIELD(name, struct nbx_model_read_req, member)

static const struct nbx_field read_fields[] = {
    {READ("name", name), nbx_field_name, .required = true},
    {READ("version", version), nbx_field_name, .required = true},
    {READ("offset", offset), nbx_field_int, .max = INT64_MAX},
    {READ("id", id), nbx_field_echo},
};
static const struct nbx_field_table read_table = {read_fields, NBX_COUNT(read_fields)};

enum nbx_err nbx_message_model_read(struct nbx_model_read_req *out, struct nbx_body body,
                                    struct nbx_arena *arena, struct nbx_fault *fault)
{
    *out = (struct nbx_model_read_req){0};
    struct nbx_decoding d = {.arena = arena, .fault = fault};
    return nbx_field_body(out, &out->id, body, &read_table, &d);
}
