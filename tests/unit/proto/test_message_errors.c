/* SPDX-License-Identifier: MIT
 * Each operation, each field: missing, of the wrong type, out of range, too long, not UTF-8. */
#include "tests/unit/proto/bodies.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(message_errors, .init = bodies_set_up, .fini = bodies_tear_down);

/* A value no field of the type takes: the path behind the field's name, and part of the message. */
struct bad {
    const char *value, *at, *words;
};

#define N_BAD 10

struct type {
    const char *good[3];
    struct bad bad[N_BAD];
};

#define NOT_UTF8                                                                                   \
    {                                                                                              \
        "'\xff'", "", "UTF-8"                                                                      \
    }
#define BAD_STRINGS                                                                                \
    {"nil", "", "got nil"}, {"5", "", "got int"}, {"['a']", "", "got list"}, NOT_UTF8
#define BAD_NUMBERS                                                                                \
    {"nil", "", "got nil"}, {"'1'", "", "got string"},                                             \
    {                                                                                              \
        "true", "", "got bool"                                                                     \
    }
#define BAD_MAPS                                                                                   \
    {"nil", "", "got nil"}, {"[]", "", "got list"},                                                \
    {                                                                                              \
        "5", "", "got int"                                                                         \
    }

static const struct type bool_type = {
    {"true", "false"}, {{"nil", "", "true or false"}, {"1", "", "got int"}, {"'x'", "", "string"}}};
static const struct type n_type = {{"1", "1000"},
                                   {BAD_NUMBERS,
                                    {"1.0", "", "got float"},
                                    {"0", "", "from 1 to 1000, got 0"},
                                    {"1001", "", "got 1001"},
                                    {"-1", "", "got -1"}}};
static const struct type recall_type = {{"0.5", "1"},
                                        {{"0.49", "", "from 0.5 to 1"},
                                         {"1.01", "", "from 0.5 to 1"},
                                         {"0", "", "from 0.5 to 1"},
                                         {"'0.9'", "", "must be a number"},
                                         {"[0.9]", "", "must be a number"}}};
static const struct type timeout_type = {
    {"0", "60000"}, {BAD_NUMBERS, {"-1", "", "got -1"}, {"60001", "", "from 0 to 60000"}}};
static const struct type time_type = {
    {"0", "253402300799999"},
    {BAD_NUMBERS, {"1.5", "", "float"}, {"-1", "", "got -1"}, {"253402300800000", "", "from 0"}}};
static const struct type price_type = {
    {"0", "9223372036854775807"},
    {BAD_NUMBERS, {"19.99", "", "minor units"}, {"-1", "", "got -1"}}};
static const struct type money_type = {
    {"-5", "9223372036854775807"},
    {BAD_NUMBERS, {"19.99", "", "minor units"}, {"-9223372036854775808", "", "from -92233720368"}}};
static const struct type quantity_type = {
    {"0", "2.5", "1000000000"},
    {BAD_NUMBERS, {"-0.5", "", "from 0 to 1000000000, got -0.5"}, {"1000000001", "", "number"}}};
static const struct type rating_type = {
    {"-1000", "4.5"}, {BAD_NUMBERS, {"1000.5", "", "got 1000.5"}, {"-1001", "", "from -1000"}}};
static const struct type id_type = {
    {"'a'", "#255", "'\xc3\xa4'"},
    {BAD_STRINGS, {"''", "", "1 to 255 bytes, got 0"}, {"#256", "", "got 256 bytes"}}};
static const struct type label_type = {
    {"'a b'", "#64"}, {BAD_STRINGS, {"''", "", "1 to 64"}, {"#65", "", "got 65 bytes"}}};
static const struct type name_type = {
    {"'a_B.9-'", "#64"},
    {BAD_STRINGS, {"''", "", "1 to 64"}, {"#65", "", "got 65"}, {"'a b'", "", "A-Z, a-z"}}};
static const struct type text_type = {
    {"'a'", "#2048"}, {BAD_STRINGS, {"''", "", "1 to 2048"}, {"#2049", "", "got 2049 bytes"}}};
static const struct type echo_type = {{"5", "''", "#255"},
                                      {{"nil", "", "int or a string"},
                                       {"1.5", "", "got float"},
                                       {"[]", "", "got list"},
                                       {"#256", "", "at most 255"},
                                       NOT_UTF8}};
static const struct type currency_type = {
    {"'EUR'"}, {BAD_STRINGS, {"'eur'", "", "capital"}, {"'EURO'", "", "three"}}};
static const struct type decision_type = {{"'0123456789abcdef0123456789abcdef'"},
                                          {BAD_STRINGS,
                                           {"'0123456789abcdef0123456789abcde'", "", "32 hex"},
                                           {"'0123456789ABCDEF0123456789abcdef'", "", "a-f"}}};
static const struct type ack_type = {
    {"'memory'", "'durable'"}, {BAD_STRINGS, {"'disk'", "", "memory, durable, got \"disk\""}}};
static const struct type record_type = {{"'none'", "'decision'", "'shown'"},
                                        {BAD_STRINGS, {"'all'", "", "none, decision, shown"}}};
static const struct type distinct_type = {{"'group'"}, {BAD_STRINGS, {"'id'", "", "one of group"}}};
static const struct type scope_type = {{"'item'", "'brand'", "'category'"},
                                       {BAD_STRINGS, {"'x'", "", "item, brand, category"}}};
static const struct type map_type = {{"{}", "{a:{b:[nil]}}"},
                                     {BAD_MAPS, {"{a:'\xff'}", ".a", "UTF"}}};
static const struct type ids_type = {{"['a']", "[#255,'b']"},
                                     {{"nil", "", "list of"},
                                      {"'a'", "", "got string"},
                                      {"{}", "", "got map"},
                                      {"[5]", "[0]", "got int"},
                                      {"['a','']", "[1]", "got 0 bytes"},
                                      {"[#256]", "[0]", "got 256"},
                                      {"['a','\xff']", "[1]", "UTF-8"}}};
static const struct type names_type = {{"[]", "['a','b']"},
                                       {{"nil", "", "list of"},
                                        {"[5]", "[0]", "int"},
                                        {"['a b']", "[0]", "A-Z"},
                                        {"[#65]", "[0]", "64"}}};
static const struct type vector_type = {{"[1,-2.5]", "x'0000803f'"},
                                        {{"nil", "", "list of numbers"},
                                         {"'x'", "", "got string"},
                                         {"[]", "", "1 to 4096"},
                                         {"[1,'a']", "[1]", "finite"},
                                         {"[nil]", "[0]", "finite"},
                                         {"[1.0e39]", "[0]", "32-bit"},
                                         {"x''", "", "1 to 4096"},
                                         {"x'00'", "", "bin of 1"},
                                         {"x'0000803f0000807f'", "[1]", "finite"},
                                         {"x'0000c07f'", "[0]", "finite"}}};
static const struct type attributes_type = {
    {"{}", "{a:1, b:1.5, c:true, d:'', e:['x']}", "{a:[], b:#2048}"},
    {{"nil", "", "map of attributes"},
     {"[]", "", "got list"},
     {"{a:{}}", ".a", "got map"},
     {"{a:x'00'}", ".a", "got bin"},
     {"{a:[1]}", ".a[0]", "got int"},
     {"{a:[[]]}", ".a[0]", "got list"},
     {"{'a b':1}", ".a b", "A-Z"},
     {"{'':1}", "", "1 to 64"},
     {"{a:#2049}", ".a", "got 2049"},
     {"{a:'\xff'}", ".a", "UTF-8"}}};
static const struct type item_attributes_type = {
    {"{colour:'red'}"}, {{"{price:5}", ".price", "another name"}, {"{a:nil}", ".a", "got nil"}}};
static const struct type bools_type = {{"{}", "{email:true}"},
                                       {BAD_MAPS,
                                        {"{a:1}", ".a", "true or false"},
                                        {"{a:nil}", ".a", "nil"},
                                        {"{'a b':true}", ".a b", "A-Z"}}};
static const struct type id_map_type = {
    {"{card:'1'}"},
    {BAD_MAPS, {"{a:1}", ".a", "int"}, {"{a:''}", ".a", "0 bytes"}, {"{a:#256}", ".a", "256"}}};
static const struct type stock_type = {{"{}", "{s:0, t:2147483647}"},
                                       {BAD_MAPS,
                                        {"{a:-1}", ".a", "got -1"},
                                        {"{a:1.5}", ".a", "got float"},
                                        {"{a:2147483648}", ".a", "from 0 to 2147483647"},
                                        {"{'':1}", "", "1 to 255"}}};
static const struct type entries_type = {{NULL},
                                         {{"nil", "", "list of"},
                                          {"{}", "", "got map"},
                                          {"5", "", "got int"},
                                          {"[5]", "[0]", "a map, got int"},
                                          {"[nil]", "[0]", "a map, got nil"}}};

/* Where a field stands: the body around "name:value", and the path before its name. */
struct place {
    enum nbx_op op;
    const char *around, *path;
};

struct row {
    const char *name;
    const struct type *type;
};

static void check_field(const struct place *p, const struct row *row)
{
    char member[8192], text[10240], field[512];
    for (int i = 0; i < 3 && row->type->good[i]; i++) {
        snprintf(member, sizeof member, "%s:%s", row->name, row->type->good[i]);
        snprintf(text, sizeof text, p->around, member);
        cr_expect_eq(refusal(p->op, text), NBX_OK, "%s %s: %s %s", nbx_ops[p->op].name, text,
                     fault.field, fault.message);
    }
    for (int i = 0; i < N_BAD && row->type->bad[i].value; i++) {
        const struct bad *bad = &row->type->bad[i];
        snprintf(member, sizeof member, "%s:%s", row->name, bad->value);
        snprintf(text, sizeof text, p->around, member);
        snprintf(field, sizeof field, "%s%s%s", p->path, row->name, bad->at);
        cr_expect_eq(refusal(p->op, text), NBX_EBAD, "%s %s passed", nbx_ops[p->op].name, text);
        cr_expect_str_eq(fault.field, field, "%s %s", nbx_ops[p->op].name, text);
        cr_expect(strstr(fault.message, bad->words), "%s: \"%s\" lacks \"%s\"", text, fault.message,
                  bad->words);
    }
}

static void check_fields(const struct place *places, const struct row *rows)
{
    for (; places->around; places++)
        for (const struct row *row = rows; row->name; row++)
            check_field(places, row);
}

Test(message_errors, recommend_and_rank)
{
    static const struct place places[] = {
        {NBX_OP_RECOMMEND, "{%s}", ""}, {NBX_OP_RANK, "{items:['a'], %s}", ""}, {0}};
    static const struct row rows[] = {
        {"n", &n_type},          {"placement", &label_type},    {"channel", &label_type},
        {"store", &id_type},     {"context", &map_type},        {"filter", &map_type},
        {"exclude", &ids_type},  {"exclude_seen", &bool_type},  {"distinct", &distinct_type},
        {"ack", &ack_type},      {"vector", &vector_type},      {"fields", &names_type},
        {"explain", &bool_type}, {"record", &record_type},      {"personal", &bool_type},
        {"now", &time_type},     {"timeout_ms", &timeout_type}, {"recall", &recall_type},
        {"id", &echo_type},      {"observe", &entries_type},    {0}};
    check_fields(places, rows);
    check_fields((struct place[]){{NBX_OP_RANK, "{%s}", ""}, {0}},
                 (struct row[]){{"items", &ids_type}, {0}});
    check_fields((struct place[]){{NBX_OP_RECOMMEND, "{vector:[1], %s}", ""}, {0}},
                 (struct row[]){{"space", &name_type}, {0}});
}

/* A list of n customers beside `rest`. */
static enum nbx_err refusal_of_many(uint32_t n, const char *rest)
{
    static char text[16384];
    size_t used = (size_t)snprintf(text, sizeof text, "{%scustomers:[", rest);
    for (uint32_t i = 0; i < n; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s'c%u'", i ? "," : "", i);
    snprintf(text + used, sizeof text - used, "]}");
    return refusal(NBX_OP_RECOMMEND, text);
}

Test(message_errors, many_customers)
{
    check_fields((struct place[]){{NBX_OP_RECOMMEND, "{%s}", ""}, {0}},
                 (struct row[]){{"customers", &ids_type}, {0}});
    cr_assert_eq(refusal_of_many(0, ""), NBX_EBAD);
    cr_assert_str_eq(fault.message, "must be a list of 1 to 1000 strings, got 0");
    cr_assert_eq(refusal_of_many(1000, ""), NBX_OK);
    cr_assert_eq(refusal_of_many(1001, ""), NBX_EBAD);
    cr_assert_str_eq(fault.field, "customers");
    cr_assert_str_eq(fault.message, "must be a list of 1 to 1000 strings, got 1001");
    cr_assert_eq(refusal_of_many(1000, "n:100,"), NBX_OK);
    cr_assert_eq(refusal_of_many(1000, "n:101,"), NBX_EBAD);
    cr_assert_str_eq(fault.field, "customers");
    cr_assert(strstr(fault.message, "above 100000"), "%s", fault.message);
    static const char *const beside[][2] = {{"explain:true,", "explain"},
                                            {"vector:[1],", "vector"},
                                            {"vector:[1],space:'a',", "vector"},
                                            {"space:'a',", "space"},
                                            {"observe:[],", "observe"},
                                            {"observe:[{type:'view'}],", "observe"},
                                            {"items:['a'],", "items"}};
    cr_assert_eq(refusal_of_many(2, "recall:0.9,placement:'home',"), NBX_OK);
    for (size_t i = 0; i < sizeof beside / sizeof beside[0]; i++) {
        cr_assert_eq(refusal_of_many(2, beside[i][0]), NBX_EBAD, "%s", beside[i][0]);
        cr_assert_str_eq(fault.field, beside[i][1]);
    }
}

Test(message_errors, similar)
{
    static const struct place with_item[] = {{NBX_OP_SIMILAR, "{item:'a', %s}", ""}, {0}};
    static const struct row rows[] = {{"n", &n_type},          {"filter", &map_type},
                                      {"fields", &names_type}, {"now", &time_type},
                                      {"id", &echo_type},      {0}};
    check_fields(with_item, rows);
    check_fields((struct place[]){{NBX_OP_SIMILAR, "{%s}", ""}, {0}},
                 (struct row[]){{"item", &id_type}, {"vector", &vector_type}, {0}});
    check_fields((struct place[]){{NBX_OP_SIMILAR, "{vector:[1], %s}", ""}, {0}},
                 (struct row[]){{"space", &name_type}, {0}});
    cr_assert_eq(refusal(NBX_OP_SIMILAR, "{}"), NBX_EBAD);
    cr_assert_str_eq(fault.field, "item");
    cr_assert_eq(refusal(NBX_OP_SIMILAR, "{item:'a', vector:[1]}"), NBX_EBAD);
    cr_assert_str_eq(fault.field, "item");
}

Test(message_errors, events)
{
    static const struct place places[] = {
        {NBX_OP_OBSERVE, "{events:[{type:'view', %s}]}", "events[0]."},
        {NBX_OP_OBSERVE, "{events:[{type:'view'},{%s, type:'view'}], atomic:true}", "events[1]."},
        {NBX_OP_RECOMMEND, "{observe:[{type:'view', %s}]}", "observe[0]."},
        {0}};
    static const struct row rows[] = {{"id", &id_type},
                                      {"item", &id_type},
                                      {"time", &time_type},
                                      {"channel", &label_type},
                                      {"placement", &label_type},
                                      {"store", &id_type},
                                      {"session", &id_type},
                                      {"order", &id_type},
                                      {"quantity", &quantity_type},
                                      {"value", &money_type},
                                      {"currency", &currency_type},
                                      {"rating", &rating_type},
                                      {"scope", &scope_type},
                                      {"actor", &id_type},
                                      {"decision", &decision_type},
                                      {"attributes", &attributes_type},
                                      {0}};
    /* What breaks the message itself is found before there are entries: the path is the same. */
    check_fields(places, rows);
    check_fields((struct place[]){{NBX_OP_OBSERVE, "{events:[{%s}]}", "events[0]."}, {0}},
                 (struct row[]){{"type", &label_type}, {0}});
    check_fields(
        (struct place[]){{NBX_OP_OBSERVE, "{events:[{type:'view'}], %s}", ""}, {0}},
        (struct row[]){{"ack", &ack_type}, {"atomic", &bool_type}, {"id", &echo_type}, {0}});
    check_fields((struct place[]){{NBX_OP_OBSERVE, "{%s}", ""}, {0}},
                 (struct row[]){{"events", &entries_type}, {0}});
}

Test(message_errors, items)
{
    static const struct place places[] = {{NBX_OP_ITEM_PUT, "{items:[{id:'i', %s}]}", "items[0]."},
                                          {0}};
    static const struct row rows[] = {{"group", &id_type},
                                      {"kind", &name_type},
                                      {"title", &text_type},
                                      {"url", &text_type},
                                      {"image", &text_type},
                                      {"brand", &id_type},
                                      {"categories", &ids_type},
                                      {"price", &price_type},
                                      {"sale_price", &price_type},
                                      {"margin", &money_type},
                                      {"currency", &currency_type},
                                      {"channels", &ids_type},
                                      {"available", &bool_type},
                                      {"stock", &stock_type},
                                      {"valid_from", &time_type},
                                      {"valid_to", &time_type},
                                      {"vector", &vector_type},
                                      {"attributes", &attributes_type},
                                      {"attributes", &item_attributes_type},
                                      {0}};
    check_fields(places, rows);
    check_fields((struct place[]){{NBX_OP_ITEM_PUT, "{items:[{%s}]}", "items[0]."},
                                  {NBX_OP_ITEM_PATCH, "{items:[{%s}]}", "items[0]."},
                                  {0}},
                 (struct row[]){{"id", &id_type}, {0}});
    check_fields(
        (struct place[]){{NBX_OP_ITEM_PUT, "{items:[{id:'i', vector:[1], %s}]}", "items[0]."}, {0}},
        (struct row[]){{"space", &name_type}, {0}});
    check_fields((struct place[]){{NBX_OP_ITEM_PUT, "{items:[{id:'i'}], %s}", ""},
                                  {NBX_OP_ITEM_PATCH, "{items:[{id:'i'}], %s}", ""},
                                  {NBX_OP_ITEM_GET, "{ids:['i'], %s}", ""},
                                  {NBX_OP_ITEM_DELETE, "{ids:['i'], %s}", ""},
                                  {0}},
                 (struct row[]){{"id", &echo_type}, {0}});
    check_fields(
        (struct place[]){{NBX_OP_ITEM_PUT, "{%s}", ""}, {NBX_OP_ITEM_PATCH, "{%s}", ""}, {0}},
        (struct row[]){{"items", &entries_type}, {0}});
    check_fields(
        (struct place[]){{NBX_OP_ITEM_GET, "{%s}", ""}, {NBX_OP_ITEM_DELETE, "{%s}", ""}, {0}},
        (struct row[]){{"ids", &ids_type}, {0}});
}

Test(message_errors, customers_and_the_rest)
{
    static const struct place put[] = {{NBX_OP_CUSTOMER_PUT, "{%s}", ""}, {0}};
    static const struct row rows[] = {
        {"timezone", &label_type},        {"locale", &name_type},  {"consent", &bools_type},
        {"identities", &id_map_type},     {"channels", &ids_type}, {"vector", &vector_type},
        {"attributes", &attributes_type}, {"id", &echo_type},      {0}};
    check_fields(put, rows);
    check_fields((struct place[]){{NBX_OP_CUSTOMER_GET, "{%s}", ""},
                                  {NBX_OP_CUSTOMER_FORGET, "{%s}", ""},
                                  {NBX_OP_DECISION_GET, "{%s}", ""},
                                  {NBX_OP_HELLO, "{%s}", ""},
                                  {NBX_OP_STATS, "{%s}", ""},
                                  {NBX_OP_BACKUP, "{dir:'/b', %s}", ""},
                                  {NBX_OP_LOG_HEADS, "{%s}", ""},
                                  {NBX_OP_LOG_READ, "{stream:1, %s}", ""},
                                  {0}},
                 (struct row[]){{"id", &echo_type}, {0}});
    check_fields((struct place[]){{NBX_OP_BACKUP, "{%s}", ""}, {0}},
                 (struct row[]){{"dir", &text_type}, {0}});
    check_fields((struct place[]){{NBX_OP_CUSTOMER_EXPORT, "{%s}", ""}, {0}},
                 (struct row[]){{"after", &text_type}, {"id", &echo_type}, {0}});
}

Test(message_errors, retract)
{
    check_fields((struct place[]){{NBX_OP_RETRACT, "{%s}", ""}, {0}},
                 (struct row[]){{"events", &ids_type},
                                {"item", &id_type},
                                {"brand", &id_type},
                                {"category", &id_type},
                                {0}});
    check_fields((struct place[]){{NBX_OP_RETRACT, "{item:'i', %s}", ""}, {0}},
                 (struct row[]){{"ack", &ack_type}, {"id", &echo_type}, {0}});
    cr_expect_eq(refusal(NBX_OP_RETRACT, "{all:1}"), NBX_EBAD);
    cr_expect_str_eq(fault.field, "all");
    static const char *const not_one[] = {"{}", "{all:false}", "{ack:'memory'}",
                                          "{item:'i', brand:'b'}", "{events:['e'], all:true}"};
    for (size_t i = 0; i < sizeof not_one / sizeof not_one[0]; i++) {
        cr_expect_eq(refusal(NBX_OP_RETRACT, not_one[i]), NBX_EBAD, "%s", not_one[i]);
        cr_expect_str_eq(fault.field, "events");
        cr_expect(strstr(fault.message, "just one of"), "%s", fault.message);
    }
    cr_expect_eq(refusal(NBX_OP_RETRACT, "{all:true}"), NBX_OK);
}

Test(message_errors, links)
{
    static const struct place both[] = {
        {NBX_OP_CUSTOMER_LINK, "{%s}", ""}, {NBX_OP_CUSTOMER_UNLINK, "{%s}", ""}, {0}};
    static const struct place whole[] = {{NBX_OP_CUSTOMER_LINK, "{identity:'i', %s}", ""},
                                         {NBX_OP_CUSTOMER_UNLINK, "{identity:'i', %s}", ""},
                                         {0}};
    check_fields(both, (struct row[]){{"identity", &id_type}, {0}});
    check_fields(whole, (struct row[]){{"ack", &ack_type}, {"id", &echo_type}, {0}});
    check_fields((struct place[]){{NBX_OP_CUSTOMER_LINK, "{identity:'i', %s}", ""}, {0}},
                 (struct row[]){{"type", &label_type}, {0}});
    for (int i = 0; i < 2; i++) {
        cr_expect_eq(refusal(both[i].op, "{identity:'anna'}"), NBX_EBAD);
        cr_expect_str_eq(fault.field, "identity");
        cr_expect(strstr(fault.message, "itself"), "%s", fault.message);
        cr_expect_eq(refusal(both[i].op, "{ack:'memory'}"), NBX_EBAD);
        cr_expect_str_eq(fault.field, "identity");
    }
    cr_expect_eq(refusal(NBX_OP_CUSTOMER_UNLINK, "{identity:'i', type:'card'}"), NBX_EBAD);
    cr_expect_str_eq(fault.field, "type", "it is of a link that is made");
}

Test(message_errors, events_that_are_read)
{
    check_fields((struct place[]){{NBX_OP_EVENTS_READ, "{%s}", ""}, {0}},
                 (struct row[]){{"after", &text_type},
                                {"since", &time_type},
                                {"until", &time_type},
                                {"types", &ids_type},
                                {"n", &n_type},
                                {"id", &echo_type},
                                {0}});
    cr_expect_eq(refusal(NBX_OP_EVENTS_READ, "{since:5, until:4}"), NBX_EBAD);
    cr_expect_str_eq(fault.field, "until");
    cr_expect_str_eq(fault.message, "is before `since`");
    cr_expect_eq(refusal(NBX_OP_EVENTS_READ, "{since:5, until:5}"), NBX_OK);
}

/* A body that is whole but for one mistake, by operation. */
static const char *const small_bodies[NBX_N_OPS] = {
    [NBX_OP_HELLO] = "{%s}",
    [NBX_OP_RECOMMEND] = "{n:5, %s}",
    [NBX_OP_RANK] = "{items:['a'], %s}",
    [NBX_OP_SIMILAR] = "{item:'a', %s}",
    [NBX_OP_OBSERVE] = "{events:[{type:'view'}], %s}",
    [NBX_OP_CUSTOMER_GET] = "{%s}",
    [NBX_OP_CUSTOMER_PUT] = "{locale:'de', %s}",
    [NBX_OP_CUSTOMER_FORGET] = "{%s}",
    [NBX_OP_DECISION_GET] = "{%s}",
    [NBX_OP_ITEM_PUT] = "{items:[{id:'i'}], %s}",
    [NBX_OP_ITEM_PATCH] = "{items:[{id:'i'}], %s}",
    [NBX_OP_ITEM_GET] = "{ids:['i'], %s}",
    [NBX_OP_ITEM_DELETE] = "{ids:['i'], %s}",
    [NBX_OP_STATS] = "{%s}",
    [NBX_OP_BACKUP] = "{dir:'/b', %s}",
    [NBX_OP_RETRACT] = "{item:'i', %s}",
    [NBX_OP_LOG_HEADS] = "{%s}",
    [NBX_OP_LOG_READ] = "{stream:1, %s}",
    [NBX_OP_CUSTOMER_EXPORT] = "{after:'events:', %s}",
    [NBX_OP_CUSTOMER_LINK] = "{identity:'i', %s}",
    [NBX_OP_CUSTOMER_UNLINK] = "{identity:'i', %s}",
    [NBX_OP_MODEL_PUSH] = "{digest:#64, bytes:1, %s}",
    [NBX_OP_MODEL_LIST] = "{%s}",
    [NBX_OP_MODEL_GET] = "{name:'n', version:'v', %s}",
    [NBX_OP_MODEL_STAGE] = "{name:'n', version:'v', stage:'staged', %s}",
    [NBX_OP_MODEL_ACTIVATE] = "{name:'n', version:'v', %s}",
    [NBX_OP_MODEL_ROLLBACK] = "{%s}",
    [NBX_OP_MODEL_DELETE] = "{name:'n', version:'v', %s}",
    [NBX_OP_EVENTS_READ] = "{n:5, %s}",
    [NBX_OP_MODEL_READ] = "{name:'n', version:'v', %s}",
};

Test(message_errors, unknown_fields_are_named_with_the_known_ones)
{
    for (int op = 0; op < NBX_N_OPS; op++) {
        char text[256];
        snprintf(text, sizeof text, small_bodies[op], "recomend:1");
        cr_expect_eq(refusal((enum nbx_op)op, text), NBX_EBAD, "%s", text);
        cr_expect_str_eq(fault.field, "recomend");
        cr_expect(strstr(fault.message, "unknown field; the known ones are"), "%s", fault.message);
        cr_expect(strstr(fault.message, "id"), "%s", fault.message);
        cr_expect_lt(strlen(fault.message), NBX_FAULT_MESSAGE_BYTES - 1, "the list was cut");
    }
    cr_expect_eq(refusal(NBX_OP_ITEM_PUT, "{items:[{id:'i', colour:1}]}"), NBX_EBAD);
    cr_expect_str_eq(fault.field, "items[0].colour");
    cr_expect(strstr(fault.message, ", space, attributes"), "%s", fault.message);
}

Test(message_errors, bodies_that_are_no_map)
{
    static const char *const wrong[] = {"nil", "5", "'x'", "[]", "[{}]", "true", "1.5"};
    for (int op = 0; op < NBX_N_OPS; op++) {
        for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
            cr_expect_eq(refusal((enum nbx_op)op, wrong[i]), NBX_EBAD, "%s", wrong[i]);
            cr_expect(strstr(fault.message, "must be one map"), "%s", fault.message);
        }
        cr_expect_eq(bodies_decode((enum nbx_op)op, (struct nbx_body){"", 0}), NBX_EBAD);
    }
}

Test(message_errors, required_fields_are_missed)
{
    static const struct {
        enum nbx_op op;
        const char *text, *field;
    } rows[] = {{NBX_OP_RANK, "{}", "items"},
                {NBX_OP_OBSERVE, "{}", "events"},
                {NBX_OP_OBSERVE, "{events:[{}]}", "events[0].type"},
                {NBX_OP_RECOMMEND, "{observe:[{item:'i'}]}", "observe[0].type"},
                {NBX_OP_ITEM_PUT, "{}", "items"},
                {NBX_OP_ITEM_PUT, "{items:[{}]}", "items[0].id"},
                {NBX_OP_ITEM_PATCH, "{}", "items"},
                {NBX_OP_ITEM_PATCH, "{items:[{price:5}]}", "items[0].id"},
                {NBX_OP_ITEM_GET, "{}", "ids"},
                {NBX_OP_ITEM_DELETE, "{}", "ids"},
                {NBX_OP_BACKUP, "{}", "dir"},
                {NBX_OP_LOG_READ, "{}", "stream"},
                {NBX_OP_CUSTOMER_LINK, "{}", "identity"},
                {NBX_OP_CUSTOMER_UNLINK, "{}", "identity"},
                {NBX_OP_MODEL_PUSH, "{bytes:1}", "digest"},
                {NBX_OP_MODEL_PUSH, "{digest:#64}", "bytes"},
                {NBX_OP_MODEL_GET, "{version:'v'}", "name"},
                {NBX_OP_MODEL_ACTIVATE, "{name:'n'}", "version"},
                {NBX_OP_MODEL_DELETE, "{name:'n'}", "version"},
                {NBX_OP_MODEL_READ, "{version:'v'}", "name"},
                {NBX_OP_MODEL_READ, "{name:'n'}", "version"},
                {NBX_OP_MODEL_STAGE, "{name:'n', version:'v'}", "stage"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cr_expect_eq(refusal(rows[i].op, rows[i].text), NBX_EBAD, "%s", rows[i].text);
        cr_expect_str_eq(fault.field, rows[i].field);
        cr_expect_str_eq(fault.message, "is required");
    }
}

Test(message_errors, fields_that_need_each_other)
{
    static const enum nbx_op ops[] = {NBX_OP_RECOMMEND, NBX_OP_CUSTOMER_PUT};
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        cr_expect_eq(refusal(ops[i], "{space:'s'}"), NBX_EBAD);
        cr_expect_str_eq(fault.field, "space");
    }
    cr_expect_eq(refusal(NBX_OP_SIMILAR, "{item:'a', space:'s'}"), NBX_EBAD);
    cr_expect_str_eq(fault.field, "space");
    cr_expect_eq(refusal(NBX_OP_ITEM_PUT, "{items:[{id:'i', space:'s'}]}"), NBX_EBAD);
    cr_expect_str_eq(fault.field, "items[0].space");
    cr_expect_eq(refusal(NBX_OP_ITEM_PUT, "{items:[{id:'i', valid_from:5, valid_to:4}]}"),
                 NBX_EBAD);
    cr_expect_str_eq(fault.field, "items[0].valid_to");
    cr_expect_eq(refusal(NBX_OP_ITEM_PUT, "{items:[{id:'i', valid_from:5, valid_to:5}]}"), NBX_OK);
}
