/* SPDX-License-Identifier: MIT
 * nbx doctor beside a daemon and without one: what it says, how it ends, as text and as JSON.
 */
#include "engine/json/json.h"
#include "tests/daemon/harness.h"

#include <unistd.h>

static struct server s;
static char out[8192];

static void begin(void)
{
    server_start(&s, &(struct server_options){.settings = NULL});
    get(&s.peer, "item.put", "", "{'items': [{'id': 'a', 'price': 5}]}");
    get(&s.peer, "observe", "anna", "{'events': [{'type': 'view', 'item': 'a'}]}");
}

TestSuite(doctor_program, .init = begin, .timeout = 120);

static void doctor(int code, const char *says)
{
    cr_assert_eq(server_nbx(&s, "doctor", out, sizeof out), code, "%s", out);
    cr_assert_not_null(strstr(out, says), "%s", out);
    cr_assert_null(strstr(out, "anna"), "nothing of anybody: %s", out);
}

static void write_file(const char *name, const char *content)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s", s.data, name);
    FILE *f = fopen(path, "w");
    cr_assert_not_null(f);
    fputs(content, f);
    cr_assert_eq(fclose(f), 0);
}

Test(doctor_program, a_daemon_that_is_well_and_goes_on)
{
    doctor(0, "checks are ok\n");
    cr_assert_not_null(strstr(out, "ok     memory"), "%s", out);
    cr_assert_not_null(strstr(out, "2 commands, all that were given"), "%s", out);
    get(&s.peer, "observe", "anna", "{'events': [{'type': 'view', 'item': 'a'}]}");
    doctor(0, "3 commands, all that were given");
    const struct nbx_value *errors =
        nbx_value_get(get(&s.peer, "stats", "", "{}"), "store.background_errors");
    cr_assert(errors && errors->type == NBX_INT && errors->i == 0);
    server_stop(&s);
}

Test(doctor_program, a_daemon_that_is_away_and_one_that_was_killed)
{
    server_end(&s);
    doctor(1, "to do: nbxd --config");
    cr_assert_not_null(strstr(out, " UTC at the earliest"), "%s", out);
    cr_assert_not_null(strstr(out, "1 warn, 0 WRONG"), "%s", out);
    server_begin(&s);
    server_kill(&s);
    doctor(1, "none answers");
    cr_assert_not_null(strstr(out, "ok     database"), "%s", out);
    server_begin(&s);
    doctor(0, "checks are ok\n");
    server_stop(&s);
}

Test(doctor_program, damage_is_code_3_also_as_json)
{
    struct nbx_value report;
    struct nbx_fault fault = {0};
    struct nbx_arena *arena = nbx_arena_new(1 << 20);
    write_file("taste.safetensors", "no bundle");
    doctor(3, "stored data is damaged or newer");
    cr_assert_eq(server_nbx(&s, "doctor --json", out, sizeof out), 3, "%s", out);
    const char *json = strstr(out, "{\n"); /* behind what is logged of the bundle */
    cr_assert_not_null(json, "%s", out);
    cr_assert_eq(nbx_json_decode(&report, json, strlen(json), arena, &fault), NBX_OK, "%s: %s",
                 fault.message, out);
    must_be(&report, "verdict", "'WRONG'");
    const struct nbx_value *checks = nbx_value_get(&report, "checks"), *bundle = NULL;
    for (uint32_t i = 0; i < checks->n; i++)
        if (nbx_str_is(text_at(&checks->list[i], "name"), "bundle"))
            bundle = &checks->list[i];
    cr_assert_not_null(bundle);
    must_be(bundle, "verdict", "'WRONG'");
    cr_assert_gt(int_at(bundle, "since"), INT64_C(1700000000000));
    cr_assert_gt(text_at(bundle, "command").len, 0);
    must_be(&checks->list[0], "command", "null");
    nbx_arena_destroy(&arena);
    server_stop(&s);
}

Test(doctor_program, a_folder_that_will_not_open_and_settings_that_are_none)
{
    server_end(&s);
    write_file("CURRENT", "MANIFEST-999999\n");
    doctor(3, "WRONG  database");
    server_configure(&s, "no_such_setting: 1\n");
    cr_assert_eq(server_nbx(&s, "doctor", out, sizeof out), 2, "%s", out);
    server_remove(&s);
}
