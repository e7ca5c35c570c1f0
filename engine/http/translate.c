/* SPDX-License-Identifier: MIT */
#include "engine/http/translate.h"

#include "engine/base/log.h"
#include "engine/base/value_floats.h"
#include "engine/json/json.h"
#include "proto/wire.h"

static const struct {
    const char *status;
    unsigned code;
} codes[] = {
    {"ok", 200},       {"bad_request", 400}, {"denied", 403}, {"not_found", 404},
    {"conflict", 409}, {"internal", 500},    {"busy", 503},   {"storage", 507},
};

unsigned nbx_http_code(struct nbx_str status, bool about_request)
{
    if (nbx_str_is(status, "limit"))
        return about_request ? 413 : 429;
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (nbx_str_is(status, codes[i].status))
            return codes[i].code;
    return 500;
}

/* request */

/* Takes the member `customer` out of the map. */
static enum nbx_err take_customer(struct nbx_value *map, struct nbx_http_key *key,
                                  struct nbx_fault *fault)
{
    for (uint32_t i = 0; i < map->n; i++) {
        struct nbx_member *member = &map->members[i];
        if (!nbx_str_is(member->key, "customer"))
            continue;
        if (member->value.type != NBX_STRING)
            return nbx_fault_set(fault, NBX_EBAD, "customer", "must be a string, got %s",
                                 nbx_value_type_name(member->value.type));
        struct nbx_str id = member->value.s;
        if (!nbx_id_valid(id))
            return nbx_fault_set(fault, NBX_EBAD, "customer",
                                 "must have 1 to %d bytes, none of them NUL", NBX_ID_MAX_BYTES);
        memcpy(key->p, id.p, id.len);
        key->len = id.len;
        memmove(member, member + 1, (map->n - i - 1) * sizeof *member);
        map->n--;
        return NBX_OK;
    }
    return NBX_OK;
}

static bool has_too_many_marks(struct nbx_str json)
{
    uint32_t n = 0;
    bool in_string = false;
    for (uint32_t i = 0; i < json.len; i++) {
        char c = json.p[i];
        if (c == '"')
            in_string = !in_string;
        else if (in_string)
            i += c == '\\'; /* and what it escapes */
        else
            n += c == '[' || c == '{' || c == ',' || c == ':';
    }
    return n > NBX_HTTP_MAX_MARKS;
}

enum nbx_err nbx_http_translate_request(struct nbx_buf *out, struct nbx_http_key *key,
                                        struct nbx_str json, bool takes_customer,
                                        struct nbx_arena *arena, struct nbx_fault *fault)
{
    struct nbx_value body;
    if (has_too_many_marks(json))
        return nbx_fault_set(fault, NBX_ELIMIT, NULL, "the body has too many values");
    enum nbx_err err = nbx_json_decode(&body, json.p, json.len, arena, fault);
    if (err)
        return err;
    if (body.type != NBX_MAP)
        return nbx_fault_set(fault, NBX_EBAD, NULL, "the body must be a JSON object, got %s",
                             nbx_value_type_name(body.type));
    key->len = 0;
    err = takes_customer ? take_customer(&body, key, fault) : NBX_OK;
    if (err)
        return err;
    nbx_wire_value(out, &body);
    return out->failed ? nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory") : NBX_OK;
}

/* reply */

static bool write_json(struct nbx_buf *out, const struct nbx_value *v)
{
    nbx_buf_clear(out);
    return nbx_json_encode(out, v) == NBX_OK && !out->failed;
}

void nbx_http_error_body(struct nbx_buf *out, const struct nbx_fault *fault)
{
    struct nbx_member members[3] = {
        {NBX_STR("status"), nbx_value_string(nbx_str_c(nbx_err_status(fault->code)))},
        {NBX_STR("message"), nbx_value_string(nbx_str_c(fault->message))},
        {NBX_STR("field"), nbx_value_string(nbx_str_c(fault->field))},
    };
    struct nbx_value map = {.type = NBX_MAP, .n = fault->field[0] ? 3 : 2, .members = members};
    if (!write_json(out, &map))
        nbx_buf_clear(out);
}

static unsigned make_no_sense(struct nbx_buf *out, const char *why)
{
    nbx_log_errorx("http: the reply %s", why);
    struct nbx_fault fault;
    nbx_fault_set(&fault, NBX_EINTERNAL, NULL, "the reply %s", why);
    nbx_http_error_body(out, &fault);
    return 500;
}

/* {status} and what the error body holds. */
static bool put_status_first(struct nbx_value *body, struct nbx_str status, struct nbx_arena *arena)
{
    struct nbx_member *members = nbx_arena_alloc(arena, (body->n + 1) * sizeof *members);
    if (!members)
        return false;
    members[0] = (struct nbx_member){NBX_STR("status"), nbx_value_string(status)};
    if (body->n)
        memcpy(members + 1, body->members, body->n * sizeof *members);
    *body = (struct nbx_value){.type = NBX_MAP, .n = body->n + 1, .members = members};
    return true;
}

unsigned nbx_http_translate_reply(struct nbx_buf *out, struct nbx_str status, struct nbx_str body,
                                  struct nbx_arena *arena)
{
    struct nbx_value map;
    struct nbx_fault fault;
    if (nbx_wire_decode(&map, body.p, body.len, arena, &fault))
        return make_no_sense(out, fault.message);
    if (map.type != NBX_MAP)
        return make_no_sense(out, "is not a map");
    bool about_request = nbx_value_get(&map, "field") != NULL;
    unsigned code = nbx_http_code(status, about_request);
    if (code != 200 && !put_status_first(&map, status, arena))
        return make_no_sense(out, "needs too much memory");
    if (nbx_value_spread_bins(&map, arena))
        return make_no_sense(out, "needs too much memory");
    return write_json(out, &map) ? code : make_no_sense(out, "cannot be written as JSON");
}

bool nbx_http_says_ready(struct nbx_str json, struct nbx_arena *arena)
{
    struct nbx_value body;
    struct nbx_fault fault;
    if (nbx_json_decode(&body, json.p, json.len, arena, &fault))
        return false;
    const struct nbx_value *ready = nbx_value_get(&body, "ready");
    return ready && ready->type == NBX_BOOL && ready->b;
}
