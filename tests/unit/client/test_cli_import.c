/* SPDX-License-Identifier: MIT
 * `nbx import`: files of many shapes, and a daemon of many moods.
 */
#include "tests/unit/client/cli_fixture.h"

static uint32_t n_entries, n_requests, n_busy, stop_after, n_largest;
static uint32_t n_withheld; /* what each reply says of it */
static bool knows_ids;      /* an entry that came before changes nothing, as in nbxd */

/* false where it was there before. */
static bool remember(const struct nbx_value *entry)
{
    size_t from = seen.len;
    note(&seen, entry);
    nbx_buf_put_u8(&seen, '\n');
    if (!knows_ids || !memmem(seen.p, from, seen.p + from, seen.len - from))
        return true;
    seen.len = from;
    return false;
}

/* Notes each entry; an entry whose item or id is "bad" is refused. */
static const char *take(struct nbx_buf *out, const struct asked *asked)
{
    bool items = nbx_str_is(asked->op, "item.put");
    const struct nbx_value *list = nbx_value_get(&asked->body, items ? "items" : "events");
    cr_assert(list && list->type == NBX_LIST);
    uint32_t n_bad = 0, bad = 0;
    uint32_t n_before = 0;
    n_requests++;
    n_largest = list->n > n_largest ? list->n : n_largest;
    for (uint32_t i = 0; i < list->n; i++) {
        const struct nbx_value *id = nbx_value_get(&list->list[i], items ? "id" : "item");
        bool is_bad = id && id->type == NBX_STRING && nbx_str_is(id->s, "bad");
        bad = is_bad ? i : bad;
        n_bad += is_bad;
        n_before += !remember(&list->list[i]);
    }
    n_entries += list->n - n_before;
    nbx_wire_map(out, 2 + (n_bad > 0) + (n_withheld > 0));
    if (n_withheld)
        nbx_wire_kv_int(out, "withheld", n_withheld);
    nbx_wire_kv_int(out, "applied", list->n - n_bad - n_before);
    nbx_wire_kv_int(out, "duplicates", n_before);
    if (n_bad) {
        nbx_wire_text(out, "errors");
        nbx_wire_list(out, 1);
        nbx_wire_map(out, 3);
        nbx_wire_kv_int(out, "index", bad);
        nbx_wire_kv_text(out, "field", "item");
        nbx_wire_kv_text(out, "message", "is bad");
    }
    return "ok";
}

static const char *be_moody(struct nbx_buf *out, const struct asked *asked)
{
    if (stop_after && asked->number >= stop_after) {
        nbx_wire_map(out, 1);
        nbx_wire_kv_text(out, "message", "the disk is full");
        return "storage";
    }
    if (asked->number % 3 == 1 && n_busy++ < 5) {
        nbx_wire_map(out, 1);
        nbx_wire_kv_text(out, "message", "the queue is full");
        return "busy";
    }
    return take(out, asked);
}

static void prepare(void)
{
    setup();
    n_withheld = 0;
    answer = take;
}

TestSuite(cli_import, .init = prepare, .fini = teardown);

static void expect_seen(const char *text)
{
    cr_expect(memmem(seen.p, seen.len, text, strlen(text)) != NULL, "\"%s\" is not in:\n%.*s%s",
              text, (int)seen.len, (const char *)seen.p, result.err);
}

static void import(const char *what, const char *name, const char *text)
{
    nbx_buf_clear(&seen);
    write_file(name, text);
    run_nbx("import", (char *)what, path);
}

Test(cli_import, nbxs_own_events_are_taken_as_they_are)
{
    import("events", "e.csv",
           "customer,type,item,time,channel,store,session,order,quantity,value,id\n"
           "ada,purchase,i1,1700000000000,web,s1,x,o1,2,1999,e1\n"
           "bob,view,i2,5000,,,,,,,e2\n");
    expect_exit(0);
    cr_expect_eq(n_entries, 2);
    expect_seen("{customer: ada, type: purchase, item: i1, time: 1700000000000, channel: web, "
                "store: s1, session: x, order: o1, quantity: 2, value: 1999, id: e1}\n");
    expect_seen("{customer: bob, type: view, item: i2, time: 5000, id: e2}\n");
    expect_out("read  applied  duplicates  refused  seconds  rows/s\n   2        2           0");
    cr_expect_str_eq(result.err, "");
    cr_expect_neq(access(in_folder("e.csv.nbx-import"), F_OK), 0);
    cr_expect_neq(access(in_folder("e.csv.refused.jsonl"), F_OK), 0);
}

Test(cli_import, nbxs_own_items_are_taken_as_they_are)
{
    import("items", "i.csv",
           "id,group,kind,title,brand,categories,price,available,url,image\n"
           "i1,g1,product,\"Mug, blue\",Acme,kitchen|mugs,1999,true,http://x,http://y\n"
           "i2,,,,,,,false,,\n");
    expect_exit(0);
    expect_seen("{id: i1, group: g1, kind: product, title: Mug, blue, brand: Acme, categories: "
                "[kitchen, mugs], price: 1999, available: true, url: http://x, image: http://y}");
    expect_seen("{id: i2, available: false}");
}

Test(cli_import, foreign_headers_are_known)
{
    import("events", "retailrocket.csv",
           "timestamp,visitorid,event,itemid,transactionid\n"
           "1433221332117,257597,view,355908,\n"
           "1433221999827,1,transaction,356475,4000\n"
           "1433221999828,1,addtocart,356475,\n");
    expect_exit(0);
    expect_seen("{time: 1433221332117, customer: 257597, type: view, item: 355908, id: ");
    expect_seen("type: purchase, item: 356475, order: 4000");
    expect_seen("type: cart, item: 356475");
    import("events", "ratings.csv", "userId,movieId,rating,timestamp\n1,31,2.5,1260759144\n");
    expect_exit(0);
    expect_seen("{customer: 1, item: 31, rating: 2.5, time: 1260759144000, type: rating, id: ");
    import("events", "shop.inter",
           "user_id:token\titem_id:token\trating:float\ttimestamp:float\n7\t9\t4.0\t978300760.0\n");
    expect_exit(0);
    expect_seen("{customer: 7, item: 9, rating: 4, time: 978300760000, type: rating");
    import("events", "rees.csv",
           "event_time,event_type,product_id,user_id,user_session,colour\n"
           "2019-10-01 00:00:00 UTC,view,44600062,541312140,72d76fde,red\n");
    expect_exit(0);
    expect_seen("{time: 1569888000000, type: view, item: 44600062, customer: 541312140, session: "
                "72d76fde");
    expect_err("columns not imported: colour");
    import("items", "movies.item",
           "item_id:token\tmovie_title:token_seq\tclass:token_seq\tgenres:token_seq\n"
           "1\tToy Story\tx\tAnimation Comedy\n");
    expect_exit(0);
    expect_seen("{id: 1, title: Toy Story, categories: [Animation, Comedy]}");
}

Test(cli_import, columns_are_mapped_by_wish)
{
    write_file("m.csv", "who;what;colour;size;junk\nada;i1;red;42;1\n");
    run_nbx("import", "events", path, "--map", "who=customer", "--map", "what=item", "--default",
            "type=view", "--map", "colour=attributes.colour", "--map", "size=attributes.size",
            "--map", "junk=", "--default", "channel=web");
    expect_exit(0);
    expect_seen("{customer: ada, item: i1, type: view, channel: web, id: ");
    expect_seen("attributes: {colour: red, size: 42}}");
    cr_expect_str_eq(result.err, "");
}

Test(cli_import, wrong_wishes_are_wrong_usage)
{
    write_file("m.csv", "customer,item\nada,i1\n");
    run_nbx("import", "events", path, "--map", "customer=whom", "--default", "type=view");
    expect_exit(2);
    expect_err("--map: no field whom; known: customer type item time");
    run_nbx("import", "events", path, "--map", "nowhere=order", "--default", "type=view");
    expect_exit(2);
    expect_err("--map: the file has no such column: nowhere=order");
    run_nbx("import", "events", path, "--map", "customer=item", "--map", "item=item");
    expect_exit(2);
    run_nbx("import", "events", path, "--default", "type");
    expect_exit(2);
    run_nbx("import", "events", path, "--price-unit", "cents");
    expect_exit(2);
    run_nbx("import", "events", path, "--time-unit", "minutes");
    expect_exit(2);
    run_nbx("import", "events", path, "--format", "google");
    expect_exit(2);
    run_nbx("import", "events", path);
    expect_exit(1);
    expect_err("no column for `type`: say --map COLUMN=type, or --default type=...");
    run_nbx("import", "events", in_folder("none.csv"));
    expect_exit(1);
    expect_err("none.csv");
    cr_expect_eq(n_entries, 0);
}

Test(cli_import, money_counts_minor_units_unless_told)
{
    write_file("p.csv", "id,price\ni1,1999\ni2,19.99\n");
    char place[300];
    snprintf(place, sizeof place, "nbx: %s:3:4: price: \"19.99\" has a decimal point", path);
    run_nbx("import", "items", path);
    expect_exit(1);
    expect_err(place);
    expect_seen("{id: i1, price: 1999}");
    cr_expect_eq(n_entries, 1);
    run_nbx("import", "items", in_folder("p.csv"), "--price-unit", "major", "--allow-refused");
    expect_exit(0);
    expect_seen("{id: i1, price: 199900}");
    expect_seen("{id: i2, price: 1999}");
}

Test(cli_import, a_merchant_feed_is_read)
{
    write_file("feed.tsv", "id\ttitle\tdescription\tlink\timage link\tprice\tsale_price\t"
                           "availability\tbrand\tproduct_type\titem_group_id\n"
                           "s1\tMug\tlong text\thttp://a\thttp://b\t15.00 USD\t12.50 USD\tin "
                           "stock\tAcme\tHome > Kitchen > Mugs\tg1\n"
                           "s2\tCup\t\t\t\t1500 JPY\t\tout_of_stock\t\t\t\n");
    run_nbx("import", "items", path, "--format", "google");
    expect_exit(0);
    expect_seen("{id: s1, title: Mug, url: http://a, image: http://b, price: 1500, sale_price: "
                "1250, available: true, brand: Acme, categories: [Home, Kitchen, Mugs], group: g1, "
                "currency: USD}");
    expect_seen("{id: s2, title: Cup, price: 1500, available: false, currency: JPY}");
    expect_err("columns not imported: description");
}

Test(cli_import, json_lines_keep_their_types)
{
    import("items", "i.jsonl",
           "{\"id\": 17, \"title\": \"Mug\", \"categories\": [\"a\", \"b\"], \"price\": 1999, "
           "\"available\": false, \"stock\": {\"s1\": 4}, \"brand\": null, \"title2\": \"x\"}\n"
           "\n"
           "{\"id\": \"j\", \"attributes\": {\"sizes\": [\"S\"]}, \"vector\": [1.5, 2]}\n");
    expect_exit(0);
    expect_seen("{id: 17, title: Mug, categories: [a, b], price: 1999, available: false, stock: "
                "{s1: 4}}");
    expect_seen("{id: j, attributes: {sizes: [S]}, vector: [1.5, 2]}");
    import("events", "e.jsonl",
           "{\"userId\": 5, \"itemId\": \"x\", \"timestamp\": 1700000000, \"event\": \"view\"}\n"
           "{\"userId\": 5, \"itemId\": \n"
           "[1]\n"
           "{\"userId\": {}, \"event\": \"view\"}\n");
    expect_exit(1);
    expect_seen("{customer: 5, item: x, time: 1700000000000, type: view, id: ");
    expect_err("e.jsonl:2: column ");
    expect_err("e.jsonl:3: must be a JSON object");
    expect_err("e.jsonl:4: customer: must not be a map");
    read_all("e.jsonl.refused.jsonl", result.out);
    expect_out("\"message\":\"must be a JSON object\"");
}

Test(cli_import, what_is_refused_is_reported_with_its_line)
{
    import("events", "r.csv",
           "customer,type,item,time\n"
           "a,view,i1,5\n"
           "b,view,\"two\nlines\",5\n"
           "c,view,bad,5\n"
           "d,view,i1,yesterday\n"
           "e,view\n"
           "f,view,i1,5\n");
    expect_exit(1);
    expect_out("   6        3           0        3");
    char line[400];
    const char *file = in_folder("r.csv");
    snprintf(line, sizeof line, "nbx: %s:5: item: is bad\n", file);
    expect_err(line);
    snprintf(line, sizeof line, "nbx: %s:6:11: time: \"yesterday\" is neither", file);
    expect_err(line);
    snprintf(line, sizeof line, "nbx: %s:7:", file);
    expect_err(line);
    read_all("r.csv.refused.jsonl", result.out);
    expect_out("{\"field\":\"item\",\"message\":\"is bad\",\"line\":5,\"entry\":{\"customer\":"
               "\"c\",\"type\":\"view\",\"item\":\"bad\",\"time\":5,\"id\":\"");
}

Test(cli_import, only_the_first_refusals_are_shown)
{
    struct nbx_buf b = {0};
    nbx_buf_printf(&b, "customer,type,time\n");
    for (int i = 0; i < 50; i++)
        nbx_buf_printf(&b, "a,view,never\n");
    nbx_buf_put_u8(&b, 0);
    import("events", "many.csv", (const char *)b.p);
    nbx_buf_fini(&b);
    expect_exit(1);
    expect_err("many.csv:21:8: time");
    cr_expect_null(strstr(result.err, "many.csv:22:8"));
    expect_err("more rows were refused: see ");
    read_all("many.csv.refused.jsonl", result.out);
    expect_out("many.csv:51:8");
}

Test(cli_import, a_repeat_has_the_same_ids_and_equal_lines_differ)
{
    static const char text[] = "customer,type,item\na,view,i\na,view,i\n";
    import("events", "same.csv", text);
    expect_exit(0);
    struct nbx_buf first = seen;
    seen = (struct nbx_buf){0};
    import("events", "same.csv", text);
    cr_assert_eq(first.len, seen.len);
    cr_expect_eq(memcmp(first.p, seen.p, seen.len), 0);
    const char *newline = memchr(seen.p, '\n', seen.len);
    size_t half = (size_t)(newline + 1 - (const char *)seen.p);
    cr_assert_eq(2 * half, seen.len);
    cr_expect_neq(memcmp(seen.p, seen.p + half, half), 0);
    nbx_buf_fini(&first);
}

static char *write_many(const char *name, int n)
{
    struct nbx_buf b = {0};
    nbx_buf_printf(&b, "customer,type,item\n");
    for (int i = 0; i < n; i++)
        nbx_buf_printf(&b, "c%d,view,i%d\n", i, i % 7);
    nbx_buf_put_u8(&b, 0);
    write_file(name, (const char *)b.p);
    nbx_buf_fini(&b);
    return path;
}

/* Each of the n customers has been seen just once. */
static void expect_once(int n)
{
    for (int i = 0; i < n; i++) {
        char wanted[64];
        int len = snprintf(wanted, sizeof wanted, "{customer: c%d, type", i);
        const char *at = memmem(seen.p, seen.len, wanted, (size_t)len);
        cr_assert_not_null(at, "%s is missing", wanted);
        const char *rest = at + len;
        cr_assert_null(
            memmem(rest, (size_t)((const char *)seen.p + seen.len - rest), wanted, (size_t)len));
    }
}

Test(cli_import, batches_and_busy_moments_lose_nothing)
{
    answer = be_moody;
    run_nbx("import", "events", write_many("b.csv", 5200));
    expect_exit(0);
    cr_expect_eq(n_entries, 5200);
    cr_expect_eq(n_largest, 500);
    cr_expect_geq(n_busy, 1);
    expect_once(5200);
    expect_out("5200     5200");
}

Test(cli_import, a_stopped_import_goes_on_where_it_was)
{
    answer = be_moody;
    n_busy = 5; /* none */
    stop_after = 3;
    /* What was under way may arrive when the import has ended already, and comes again. */
    knows_ids = true;
    run_nbx("import", "events", write_many("s.csv", 3000));
    expect_exit(1);
    expect_err("nbx: storage: the disk is full");
    read_all("s.csv.nbx-import", result.out);
    expect_out("\"rows\": 1500, \"applied\": 1500");
    stop_after = 0;
    run_nbx("import", "events", in_folder("s.csv"));
    expect_exit(0);
    expect_err("going on after row 1500");
    cr_expect_eq(n_entries, 3000);
    expect_once(3000);
    expect_out("\n3000");
    cr_expect_neq(access(in_folder("s.csv.nbx-import"), F_OK), 0);
}

Test(cli_import, a_changed_file_is_not_gone_on_with)
{
    write_file("c.csv.nbx-import", "{\"op\": \"observe\", \"file_bytes\": 3, \"rows\": 2}");
    run_nbx("import", "events", write_many("c.csv", 10));
    expect_exit(1);
    expect_err("--restart begins again");
    write_file("c.csv.nbx-import", "no json");
    run_nbx("import", "events", in_folder("c.csv"));
    expect_exit(1);
    cr_expect_eq(n_entries, 0);
    run_nbx("import", "events", in_folder("c.csv"), "--restart", "--json");
    expect_exit(0);
    expect_out("{\"read\": 10, \"applied\": 10, \"duplicates\": 0, \"refused\": 0");
}

Test(cli_import, withheld_events_are_told_of)
{
    n_withheld = 7;
    run_nbx("import", "events", write_many("w.csv", 10));
    expect_exit(0);
    expect_out("\nwithheld 7: customers who");
    run_nbx("import", "events", in_folder("w.csv"), "--restart", "--json");
    expect_out("\"refused\": 0, \"withheld\": 7, ");
}

Test(cli_import, items_go_in_larger_batches)
{
    struct nbx_buf b = {0};
    nbx_buf_printf(&b, "id,title\n");
    for (int i = 0; i < 4500; i++)
        nbx_buf_printf(&b, "i%d,Item %d\n", i, i);
    nbx_buf_put_u8(&b, 0);
    import("items", "big.csv", (const char *)b.p);
    nbx_buf_fini(&b);
    expect_exit(0);
    cr_expect_eq(n_entries, 4500);
    cr_expect_eq(n_requests, 3);
}
