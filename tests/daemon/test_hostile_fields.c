/* SPDX-License-Identifier: MIT
 * Every operation, every field of it: missing, of a wrong type, out of range, too long, not UTF-8,
 * unknown. Each is answered with a code and a message that names the field, and changes nothing.
 */
#include "proto/ops.h"
#include "tests/daemon/harness.h"
#include "tests/unit/proto/notation.h"

#define BAD_TEXT  "'\xff\xfe'", "'a\xc3'"
#define SCALARS   "nil", "true", "1", "1.5", "'x'"
#define NO_STRING "nil", "true", "1", "1.5", "[]", "{}", "x'00'", "['a']", BAD_TEXT

/* Values no field of that type takes, in the notation of tests/unit/proto; NULL ends. */
static const char *const count[] = {"nil", "true", "'1'",   "1.0",  "[]",
                                    "{}",  "-1",   "#3000", "1001", NULL};
static const char *const timeout[] = {"nil", "true", "'1'", "1.0", "-1", "60001", NULL};
static const char *const flag[] = {"nil", "0", "1", "'true'", "[]", "{}", NULL};
static const char *const instant[] = {"nil", "'1'", "1.0", "-1", "253402300800000", "true", NULL};
static const char *const money[] = {"nil", "'1'", "19.99", "true", "[]", NULL};
static const char *const price[] = {"nil", "'1'", "19.99", "-1", "{}", NULL};
static const char *const number[] = {"nil", "'1'", "true", "[]", "1000000001", NULL};
static const char *const id[] = {NO_STRING, "''", "#256", NULL};
static const char *const itself[] = {"'nobody'", NULL}; /* the key */
static const char *const label[] = {NO_STRING, "''", "#65", NULL};
static const char *const name[] = {NO_STRING, "''", "#65", "'a b'", "'\xc3\xa4'", NULL};
static const char *const text[] = {NO_STRING, "''", "#2049", NULL};
static const char *const word[] = {NO_STRING, "''", "'nonsense'", "#65", NULL};
static const char *const currency[] = {NO_STRING, "''", "'eur'", "'EURO'", NULL};
static const char *const other_currency[] = {"'USD'", NULL};
static const char *const decision[] = {NO_STRING, "'0123'", "#32000",
                                       "'0123456789ABCDEF0123456789ABCDEF'", NULL};
static const char *const echo[] = {"nil", "true", "1.5", "[]", "{}", "#256", "'\xff'", NULL};
static const char *const map[] = {SCALARS, "[]", "x'00'", "{a:'\xff'}", NULL};
static const char *const filter[] = {SCALARS,
                                     "[]",
                                     "{}",
                                     "{field:'nonsense',eq:1}",
                                     "{field:'price',eq:'x'}",
                                     "{all:1}",
                                     "{not:[]}",
                                     "{field:'id'}",
                                     "{field:5,eq:1}",
                                     "{all:[{any:5}]}",
                                     "{field:'id',in:'a'}",
                                     "{field:'id',exists:1}",
                                     NULL};
static const char *const ids[] = {SCALARS, "{}", "[5]", "['']", "[#256]", "['a','\xff']", NULL};
static const char *const fields[] = {SCALARS, "{}",      "['nonsense']", "[5]",
                                     "['']",  "['a b']", "[#65]",        NULL};
static const char *const vector[] = {SCALARS, "[]",          "['a']",    "[nil]",
                                     "x'00'", "x'0000807f'", "[1.0e39]", NULL};
static const char *const recall[] = {"'0.9'", "true", "[]", "{}", "0", "0.49", "1.01", "-1", NULL};
static const char *const events[] = {SCALARS, "{}", NULL};
static const char *const entries[] = {SCALARS, "{}", "[]", NULL};
static const char *const attributes[] = {
    SCALARS, "[]", "{a:{}}", "{'a b':1}", "{a:#2049}", "{a:[1]}", "{a:x'00'}", "{a:'\xff'}", NULL};
static const char *const no_built_in[] = {"{price:1}", "{id:'a'}", NULL};
static const char *const flags[] = {SCALARS, "[]", "{a:1}", "{a:nil}", "{'a b':true}", NULL};
static const char *const id_map[] = {SCALARS, "[]", "{a:1}", "{a:''}", "{a:#256}", NULL};
static const char *const stock[] = {SCALARS, "[]", "{a:-1}", "{a:1.5}", "{a:2147483648}", NULL};
static const char *const stream[] = {"nil", "true", "'1'", "[]", "1.5", "-1", "257", NULL};
static const char *const from[] = {"nil", "true", "'1'", "[]", "1.5", "-1", "0", NULL};
static const char *const page[] = {"nil", "true", "'1'", "[]", "1.5", "0", "1001", NULL};
static const char *const cursor[] = {
    NO_STRING, "''", "'events:'", "'0011223344556677889'", "#70", "'00AABBCCDDEEFF00'", NULL};
static const char *const offset[] = {"nil", "true", "'1'", "[]", "1.5", "-1", NULL};
static const char *const too_early[] = {"4", NULL};
static const char *const types[] = {"[]", "['nonsense']", "['view','nonsense']", NULL};
static const char *const channels[] = {SCALARS, "['fax']", "[5]", NULL};
static const char *const channel[] = {NO_STRING, "''", "#65", "'fax'", NULL};

enum place { TOP, EVENT, OBSERVE, ITEM };

/* A field: who takes it, where it stands, what else the body needs, what it refuses. */
struct field {
    const char *ops; /* by blanks */
    enum place place;
    const char *name, *rest;
    const char *const *bad;
};

static const struct field table[] = {
    {"recommend rank", TOP, "n", "", count},
    {"recommend rank", TOP, "placement", "", label},
    {"recommend rank", TOP, "channel", "", channel},
    {"recommend rank", TOP, "store", "", id},
    {"recommend rank", TOP, "context", "", map},
    {"recommend rank", TOP, "filter", "", filter},
    {"recommend rank", TOP, "exclude", "", ids},
    {"recommend rank", TOP, "exclude_seen", "", flag},
    {"recommend rank", TOP, "distinct", "", word},
    {"recommend rank", TOP, "observe", "", events},
    {"recommend rank", TOP, "ack", "", word},
    {"recommend rank", TOP, "vector", "", vector},
    {"recommend rank", TOP, "space", "vector:[1],", name},
    {"recommend rank", TOP, "fields", "", fields},
    {"recommend rank", TOP, "explain", "", flag},
    {"recommend rank", TOP, "record", "", word},
    {"recommend rank", TOP, "personal", "", flag},
    {"recommend rank", TOP, "timeout_ms", "", timeout},
    {"recommend rank", TOP, "recall", "", recall},
    {"recommend rank", TOP, "now", "", instant},
    {"recommend", TOP, "customers", "", entries},
    {"rank", TOP, "items", "", entries},
    {"rank", TOP, "items", "", ids},
    {"similar", TOP, "item", "", id},
    {"similar", TOP, "vector", "", vector},
    {"similar", TOP, "space", "vector:[1],", name},
    {"similar", TOP, "n", "item:'a',", count},
    {"similar", TOP, "filter", "item:'a',", filter},
    {"similar", TOP, "fields", "item:'a',", fields},
    {"similar", TOP, "now", "item:'a',", instant},
    {"observe", TOP, "events", "", entries},
    {"observe", TOP, "ack", "events:[{type:'view'}],", word},
    {"observe", TOP, "atomic", "events:[{type:'view'}],", flag},
    {"observe recommend rank", EVENT, "type", "", word},
    {"observe recommend rank", EVENT, "item", "type:'view',", id},
    {"observe recommend rank", EVENT, "id", "type:'view',", id},
    {"observe recommend rank", EVENT, "customer", "type:'view',", id},
    {"observe recommend rank", EVENT, "time", "type:'view',", instant},
    {"observe recommend rank", EVENT, "channel", "type:'view',", channel},
    {"observe recommend rank", EVENT, "placement", "type:'view',", label},
    {"observe recommend rank", EVENT, "store", "type:'view',", id},
    {"observe recommend rank", EVENT, "session", "type:'view',", id},
    {"observe recommend rank", EVENT, "order", "type:'view',", id},
    {"observe recommend rank", EVENT, "quantity", "type:'view',", number},
    {"observe recommend rank", EVENT, "value", "type:'view',", money},
    {"observe recommend rank", EVENT, "currency", "type:'view',", currency},
    {"observe recommend rank", EVENT, "currency", "type:'view',", other_currency},
    {"observe recommend rank", EVENT, "rating", "type:'view',", number},
    {"observe recommend rank", EVENT, "scope", "type:'view',", word},
    {"observe recommend rank", EVENT, "actor", "type:'view',", id},
    {"observe recommend rank", EVENT, "decision", "type:'view',", decision},
    {"observe recommend rank", EVENT, "attributes", "type:'view',", attributes},
    {"retract", TOP, "events", "", entries},
    {"retract", TOP, "events", "", ids},
    {"retract", TOP, "item", "", id},
    {"retract", TOP, "brand", "", id},
    {"retract", TOP, "category", "", id},
    {"retract", TOP, "all", "item:'a',", flag},
    {"retract", TOP, "ack", "item:'a',", word},
    {"customer.link customer.unlink", TOP, "identity", "", id},
    {"customer.link customer.unlink", TOP, "identity", "", itself},
    {"customer.link customer.unlink", TOP, "ack", "identity:'a',", word},
    {"customer.link", TOP, "type", "identity:'a',", label},
    {"customer.link customer.unlink", TOP, "id", "identity:'a',", echo},
    {"log.read", TOP, "stream", "", stream},
    {"log.read", TOP, "from", "stream:1,", from},
    {"log.read", TOP, "n", "stream:1,", page},
    {"customer.export", TOP, "after", "", text},
    {"events.read", TOP, "after", "", cursor},
    {"events.read", TOP, "since", "", instant},
    {"events.read", TOP, "until", "", instant},
    {"events.read", TOP, "until", "since:5,", too_early},
    {"events.read", TOP, "types", "", ids},
    {"events.read", TOP, "types", "", types},
    {"events.read", TOP, "n", "", page},
    {"customer.put", TOP, "attributes", "", attributes},
    {"customer.put", TOP, "timezone", "", label},
    {"customer.put", TOP, "locale", "", name},
    {"customer.put", TOP, "consent", "", flags},
    {"customer.put", TOP, "identities", "", id_map},
    {"customer.put", TOP, "channels", "", channels},
    {"customer.put", TOP, "vector", "", vector},
    {"customer.put", TOP, "space", "vector:[1],", name},
    {"item.put item.patch", TOP, "items", "", entries},
    {"item.put item.patch", ITEM, "id", "", id},
    {"item.put item.patch", ITEM, "group", "id:'a',", id},
    {"item.put item.patch", ITEM, "kind", "id:'a',", name},
    {"item.put item.patch", ITEM, "title", "id:'a',", text},
    {"item.put item.patch", ITEM, "url", "id:'a',", text},
    {"item.put item.patch", ITEM, "image", "id:'a',", text},
    {"item.put item.patch", ITEM, "brand", "id:'a',", id},
    {"item.put item.patch", ITEM, "categories", "id:'a',", ids},
    {"item.put item.patch", ITEM, "price", "id:'a',", price},
    {"item.put item.patch", ITEM, "sale_price", "id:'a',", price},
    {"item.put item.patch", ITEM, "margin", "id:'a',", money},
    {"item.put item.patch", ITEM, "currency", "id:'a',", currency},
    {"item.put item.patch", ITEM, "currency", "id:'a',", other_currency},
    {"item.put item.patch", ITEM, "channels", "id:'a',", channels},
    {"item.put item.patch", ITEM, "available", "id:'a',", flag},
    {"item.put item.patch", ITEM, "stock", "id:'a',", stock},
    {"item.put item.patch", ITEM, "valid_from", "id:'a',", instant},
    {"item.put item.patch", ITEM, "valid_to", "id:'a',", instant},
    {"item.put item.patch", ITEM, "vector", "id:'a',", vector},
    {"item.put item.patch", ITEM, "space", "id:'a',vector:[1],", name},
    {"item.put item.patch", ITEM, "attributes", "id:'a',", attributes},
    {"item.put item.patch", ITEM, "attributes", "id:'a',", no_built_in},
    {"item.get item.delete", TOP, "ids", "", entries},
    {"item.get item.delete", TOP, "ids", "", ids},
    {"model.get model.activate model.delete model.stage", TOP, "name", "", name},
    {"model.get model.activate model.delete model.stage", TOP, "version", "name:'n',", name},
    {"model.read", TOP, "name", "", name},
    {"model.read", TOP, "version", "name:'n',", name},
    {"model.read", TOP, "offset", "name:'n',version:'v',", offset},
    {"hello stats customer.get customer.forget decision.get recommend rank similar observe "
     "customer.put item.put item.patch item.get item.delete retract log.heads customer.export "
     "model.list model.rollback events.read",
     TOP, "id", "", echo},
};

#define DECISION "00000000000000000000000000000000"

static struct server s;
static struct peer *p;

/* Everything the table might change, as bytes in the arena. */
static struct nbx_str state_of_things(void)
{
    static const char *const counters[] = {"items", "events.applied", "events.duplicates",
                                           "decisions.recorded", "impressions"};
    struct nbx_buf b = {0};
    struct answer items = ask(p, "item.get", "", "{'ids': ['a', 'b', 'x']}");
    struct answer anna = ask(p, "customer.get", "anna", "{}");
    struct answer nobody = ask(p, "customer.get", "nobody", "{}");
    struct nbx_value *stats = get(p, "stats", "", "{}");
    nbx_buf_put(&b, items.raw.p, items.raw.len);
    nbx_buf_put(&b, anna.raw.p, anna.raw.len);
    nbx_buf_put(&b, nobody.raw.p, nobody.raw.len);
    for (size_t i = 0; i < sizeof counters / sizeof counters[0]; i++)
        nbx_buf_printf(&b, " %lld", (long long)nbx_value_get(stats, counters[i])->i);
    struct nbx_str state =
        nbx_arena_str(p->arena, (struct nbx_str){(const char *)b.p, (uint32_t)b.len});
    cr_assert(!b.failed && state.p);
    nbx_buf_fini(&b);
    return state;
}

static void begin(void)
{
    server_start(&s, NULL);
    p = &s.peer;
    get(p, "item.put", "", "{'items': [{'id': 'a', 'price': 5}, {'id': 'b', 'title': 'B'}]}");
    get(p, "observe", "anna", "{'events': [{'type': 'view', 'item': 'b', 'time': 1}]}");
}

static void end(void)
{
    server_stop(&s);
}

TestSuite(hostile_fields, .init = begin, .fini = end, .timeout = 120);

static const char *key_of(const char *op)
{
    const struct nbx_op_info *info = nbx_op_find(nbx_str_c(op));
    cr_assert_not_null(info, "%s", op);
    if (info->road == NBX_ROAD_DECISION)
        return DECISION;
    return info->road == NBX_ROAD_CUSTOMER || info->road == NBX_ROAD_OBSERVE ? "nobody" : "";
}

static struct answer ask_notation(const char *op, const char *key, const char *body)
{
    struct nbx_buf b = {0};
    notation(&b, body);
    cr_assert(!b.failed);
    struct answer a =
        ask_raw(p, op, nbx_str_c(key), (struct nbx_str){(const char *)b.p, (uint32_t)b.len});
    nbx_buf_fini(&b);
    return a;
}

/* What the operation needs beside the field in question. */
static const char *required(const char *op, const char *field)
{
    if (strcmp(op, "rank") == 0 && strcmp(field, "items") != 0)
        return "items:['a'],record:'none',";
    if (strcmp(op, "recommend") == 0 && strcmp(field, "record") != 0)
        return "record:'none',";
    return "";
}

static void compose(char *out, size_t room, const char *op, const struct field *f, const char *bad)
{
    const char *more = required(op, f->name);
    const char *list = f->place == ITEM ? "items" : strcmp(op, "observe") ? "observe" : "events";
    if (f->place == TOP)
        snprintf(out, room, "{%s%s%s:%s}", strcmp(f->name, "record") ? more : "", f->rest, f->name,
                 bad);
    else
        snprintf(out, room, "{%s%s:[{%s%s:%s}]}", more, list, f->rest, f->name, bad);
}

/* The field a refusal names begins with `want`, and something is said. */
static bool is_named(const struct nbx_value *fault, const char *want)
{
    const struct nbx_value *field = nbx_value_get(fault, "field");
    const struct nbx_value *message = nbx_value_get(fault, "message");
    size_t n = strlen(want);
    return field && message && message->s.len > 0 && field->s.len >= n &&
           memcmp(field->s.p, want, n) == 0;
}

static void check_one(const char *op, const struct field *f, const char *bad)
{
    char body[8192], path[128];
    compose(body, sizeof body, op, f, bad);
    struct answer a = ask_notation(op, key_of(op), body);
    const char *list = f->place == ITEM ? "items" : strcmp(op, "observe") ? "observe" : "events";
    snprintf(path, sizeof path, f->place == TOP ? "%s%s" : "%s[0].%s", f->place == TOP ? "" : list,
             f->name);
    const struct nbx_value *errors = at(a.body, "errors");
    if (!errors)
        errors = at(a.body, "observed.errors");
    if (f->place != TOP && errors) {
        cr_assert(errors->n == 1 && is_named(&errors->list[0], path), "%s %s names no %s", op, body,
                  path);
        return;
    }
    struct nbx_value *message = (struct nbx_value *)nbx_value_get(a.body, "message");
    cr_assert_str_eq(a.status, "bad_request", "%s %s is %s", op, body, a.status);
    cr_assert(is_named(a.body, path), "%s %s names no %s: %.*s", op, body, path,
              message ? (int)message->s.len : 0, message ? message->s.p : "");
}

/* true for the null that a patch takes as a removal. */
static bool is_removal(const char *op, const struct field *f, const char *bad)
{
    return strcmp(op, "item.patch") == 0 && f->place == ITEM && strcmp(f->name, "id") != 0 &&
           (strcmp(bad, "nil") == 0 || strcmp(bad, "{a:nil}") == 0);
}

static size_t check_field(const char *op, const struct field *f)
{
    size_t n = 0;
    for (size_t i = 0; f->bad[i]; i++) {
        bool allowed = strcmp(f->name, "n") == 0 && strcmp(f->bad[i], "#3000") == 0;
        if (allowed || is_removal(op, f, f->bad[i]))
            continue;
        check_one(op, f, f->bad[i]);
        n++;
    }
    return n;
}

Test(hostile_fields, each_is_refused_by_name_and_changes_nothing)
{
    struct nbx_str before = state_of_things();
    size_t n = 0;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        char *ops = strdup(table[i].ops), *rest = ops;
        for (char *op; (op = strsep(&rest, " "));)
            n += check_field(op, &table[i]);
        cr_assert(nbx_str_eq(before, state_of_things()), "%s of %s changed something",
                  table[i].name, table[i].ops);
        free(ops);
    }
    printf("hostile: %zu bad fields refused by name\n", n);
    fflush(stdout);
}

Test(hostile_fields, missing_ones_are_named)
{
    struct nbx_str before = state_of_things();
    REFUSED(ask(p, "rank", "nobody", "{}"), "bad_request", "items", NULL);
    REFUSED(ask(p, "observe", "nobody", "{}"), "bad_request", "events", NULL);
    REFUSED(ask(p, "observe", "", "{}"), "bad_request", "events", NULL);
    REFUSED(ask(p, "item.put", "", "{}"), "bad_request", "items", NULL);
    REFUSED(ask(p, "item.patch", "", "{}"), "bad_request", "items", NULL);
    REFUSED(ask(p, "item.get", "", "{}"), "bad_request", "ids", NULL);
    REFUSED(ask(p, "item.delete", "", "{}"), "bad_request", "ids", NULL);
    REFUSED(ask(p, "customer.link", "nobody", "{}"), "bad_request", "identity", NULL);
    REFUSED(ask(p, "customer.unlink", "nobody", "{}"), "bad_request", "identity", NULL);
    REFUSED(ask(p, "similar", "", "{}"), "bad_request", "item", "vector");
    REFUSED(ask(p, "similar", "", "{'item': 'a', 'vector': [1]}"), "bad_request", "item", NULL);
    struct nbx_value *r = get(p, "observe", "nobody", "{'events': [{'item': 'a'}, 5, {}]}");
    MUST_LIST(r, "errors", "field", "events[0].type events[1] events[2].type");
    must_be(r, "ids", "['', '', '']");
    r = get(p, "item.put", "", "{'items': [{'title': 'T'}, [], {}]}");
    MUST_LIST(r, "errors", "field", "items[0].id items[1] items[2].id");
    must_be(r, "applied", "0");
    cr_assert(nbx_str_eq(before, state_of_things()));
}

Test(hostile_fields, unknown_ones_are_refused_with_the_known)
{
    static const char *const bodies[NBX_N_OPS] = {[NBX_OP_RANK] = "items:['a'],",
                                                  [NBX_OP_SIMILAR] = "item:'a',",
                                                  [NBX_OP_OBSERVE] = "events:[{type:'view'}],",
                                                  [NBX_OP_ITEM_PUT] = "items:[{id:'x'}],",
                                                  [NBX_OP_ITEM_PATCH] = "items:[{id:'a'}],",
                                                  [NBX_OP_ITEM_GET] = "ids:['a'],",
                                                  [NBX_OP_ITEM_DELETE] = "ids:['a'],",
                                                  [NBX_OP_BACKUP] = "dir:'relative',",
                                                  [NBX_OP_LOG_READ] = "stream:1,",
                                                  [NBX_OP_CUSTOMER_LINK] = "identity:'a',",
                                                  [NBX_OP_CUSTOMER_UNLINK] = "identity:'a',",
                                                  [NBX_OP_MODEL_PUSH] = "bytes:1,",
                                                  [NBX_OP_MODEL_GET] = "name:'n',version:'v',",
                                                  [NBX_OP_MODEL_STAGE] = "name:'n',version:'v',",
                                                  [NBX_OP_MODEL_ACTIVATE] = "name:'n',",
                                                  [NBX_OP_MODEL_DELETE] = "name:'n',",
                                                  [NBX_OP_MODEL_READ] = "name:'n',"};
    struct nbx_str before = state_of_things();
    for (int op = 0; op < NBX_N_OPS; op++) {
        char body[128];
        snprintf(body, sizeof body, "{%snonsense:1}", bodies[op] ? bodies[op] : "");
        REFUSED(ask_notation(nbx_ops[op].name, key_of(nbx_ops[op].name), body), "bad_request",
                "nonsense", "known ones are");
        snprintf(body, sizeof body, "{'\xff':1}");
        REFUSED(ask_notation(nbx_ops[op].name, key_of(nbx_ops[op].name), body), "bad_request", NULL,
                "UTF-8");
    }
    struct nbx_value *r = get(p, "observe", "nobody", "{'events': [{'type': 'view', 'x': 1}]}");
    MUST_LIST(r, "errors", "field", "events[0].x");
    r = get(p, "item.put", "", "{'items': [{'id': 'x', 'colour': 'red'}]}");
    MUST_LIST(r, "errors", "field", "items[0].colour");
    cr_assert(nbx_str_eq(before, state_of_things()));
}

Test(hostile_fields, keys_stand_where_they_belong)
{
    char long_key[257];
    memset(long_key, 'a', 256);
    long_key[256] = '\0';
    struct nbx_str before = state_of_things(), empty = peer_body(p, "{}");
    for (int op = 0; op < NBX_N_OPS; op++) {
        const char *op_name = nbx_ops[op].name;
        bool keyless = nbx_ops[op].road == NBX_ROAD_ANY || nbx_ops[op].road == NBX_ROAD_CATALOGUE;
        if (keyless || nbx_ops[op].key_required)
            REFUSED(ask_raw(p, op_name, nbx_str_c(keyless ? "anna" : ""), empty), "bad_request",
                    NULL, "key frame");
        REFUSED(ask_raw(p, op_name, nbx_str_c(long_key), empty), "bad_request", NULL, "key frame");
        REFUSED(ask_raw(p, op_name, NBX_STR("\xff\xfe"), empty), "bad_request", NULL, "key frame");
        REFUSED(ask_raw(p, op_name, NBX_STR("a\0b"), empty), "bad_request", NULL, "key frame");
    }
    REFUSED(ask(p, "decision.get", "0123", "{}"), "bad_request", NULL, "32 hex digits");
    REFUSED(ask(p, "observe", "", "{'atomic': true, 'events': [{'type': 'view'}]}"), "bad_request",
            "atomic", NULL);
    REFUSED(ask(p, "no.such", "", "{}"), "bad_request", NULL, "operation");
    REFUSED(ask(p, "", "", "{}"), "bad_request", NULL, "operation");
    REFUSED(ask(p, "RECOMMEND", "", "{}"), "bad_request", NULL, "operation");
    cr_assert(nbx_str_eq(before, state_of_things()));
}

/* A list of n times `entry`. */
static struct nbx_str many(const char *member, const char *entry, uint32_t n)
{
    struct nbx_buf b = {0};
    nbx_wire_map(&b, 1);
    nbx_wire_text(&b, member);
    nbx_wire_list(&b, n);
    for (uint32_t i = 0; i < n; i++)
        notation(&b, entry);
    struct nbx_str body =
        nbx_arena_str(p->arena, (struct nbx_str){(const char *)b.p, (uint32_t)b.len});
    nbx_buf_fini(&b);
    return body;
}

Test(hostile_fields, long_lists_are_refused_whole)
{
    struct nbx_str none = {0}, nobody = NBX_STR("nobody");
    struct nbx_str before = state_of_things();
    REFUSED(ask_raw(p, "observe", nobody, many("events", "{type:'view'}", 1001)), "bad_request",
            "events", "1000");
    REFUSED(ask_raw(p, "recommend", nobody, many("observe", "{type:'view'}", 1001)), "bad_request",
            "observe", "1000");
    REFUSED(ask_raw(p, "recommend", nobody, many("exclude", "'a'", 10001)), "bad_request",
            "exclude", "10000");
    REFUSED(ask_raw(p, "recommend", nobody, many("fields", "'id'", 129)), "bad_request", "fields",
            "128");
    REFUSED(ask_raw(p, "recommend", nobody, many("vector", "1", 4097)), "bad_request", "vector",
            "4096");
    REFUSED(ask_raw(p, "rank", nobody, many("items", "'a'", 1001)), "bad_request", "items", "1000");
    REFUSED(ask_raw(p, "item.put", none, many("items", "{id:'x'}", 10001)), "bad_request", "items",
            "10000");
    REFUSED(ask_raw(p, "item.get", none, many("ids", "'a'", 10001)), "bad_request", "ids", "10000");
    REFUSED(ask_raw(p, "item.delete", none, many("ids", "'a'", 10001)), "bad_request", "ids",
            "10000");
    cr_assert(nbx_str_eq(before, state_of_things()));
}
