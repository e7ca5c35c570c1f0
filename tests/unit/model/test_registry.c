/* SPDX-License-Identifier: MIT
 * Versions as the folder has them: records, files, and what a start makes of the two.
 */
#include "engine/model/registry.h"
#include "tests/unit/store/fixture.h"

#include <dirent.h>
#include <sys/stat.h>

static struct fixture f;
static struct nbx_versions all;
static struct nbx_fault fault;

static void begin(void)
{
    fixture_begin(&f);
}

static void end(void)
{
    fixture_end(&f);
}

TestSuite(registry, .init = begin, .fini = end);

static void put(const char *name, const char *version, enum nbx_stage stage, uint64_t bytes)
{
    struct nbx_version v = {nbx_str_c(name), nbx_str_c(version), {.stage = stage, .bytes = bytes}};
    nbx_registry_put(f.batch, &v);
    fixture_write(&f);
}

static void put_deleted(const char *name, const char *version)
{
    struct nbx_version v = {nbx_str_c(name), nbx_str_c(version), {.deleted = true, .bytes = 5}};
    nbx_registry_put(f.batch, &v);
    fixture_write(&f);
}

static void write_file(const char *name, const char *text)
{
    char path[200];
    cr_assert_eq(nbx_registry_make_folder(f.dir, &fault), NBX_OK, "%s", fault.message);
    snprintf(path, sizeof path, "%s/models/%s", f.dir, name);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fputs(text, file);
    cr_assert_eq(fclose(file), 0);
}

static bool has_file(const char *name)
{
    char path[200];
    snprintf(path, sizeof path, "%s/models/%s", f.dir, name);
    return access(path, F_OK) == 0;
}

static void read_all(void)
{
    nbx_arena_reset(f.arena);
    cr_assert_eq(nbx_registry_read(&all, f.store, f.arena, &fault), NBX_OK, "%s", fault.message);
}

Test(registry, nothing_is_read_of_an_empty_folder)
{
    read_all();
    cr_assert_eq(all.n, 0);
    cr_assert_null(nbx_registry_active(&all));
    cr_assert_null(nbx_registry_find(&all, NBX_STR("a"), NBX_STR("1")));
    cr_assert_eq(nbx_registry_check(&all, f.dir, &fault), NBX_OK);
    nbx_registry_clean(&all, f.dir); /* there is no folder of models */
}

Test(registry, versions_by_name_and_version)
{
    char version[8];
    for (int i = 39; i >= 0; i--) {
        snprintf(version, sizeof version, "%02d", i);
        put(i % 2 ? "b" : "a", version, NBX_STAGE_STAGED, 1);
    }
    put("b", "17", NBX_STAGE_ACTIVE, 3);
    put_deleted("a", "10");
    put("aa", "1", NBX_STAGE_ARCHIVED, 1);
    read_all();
    cr_assert_eq(all.n, 41);
    cr_assert_eq(nbx_registry_count(&all), 40);
    cr_assert(nbx_str_is(all.p[0].version, "00") && nbx_str_is(all.p[1].version, "02"));
    cr_assert(nbx_str_is(all.p[20].name, "aa"));
    cr_assert(nbx_str_is(nbx_registry_active(&all)->version, "17"));
    cr_assert_eq(nbx_registry_active(&all)->record.bytes, 3);
    cr_assert(nbx_registry_find(&all, NBX_STR("a"), NBX_STR("10"))->record.deleted);
    cr_assert_null(nbx_registry_find(&all, NBX_STR("a"), NBX_STR("11")));
}

Test(registry, records_that_make_no_sense_are_damage)
{
    struct nbx_key good = nbx_key_model(NBX_STR("a"), NBX_STR("1")), bad = nbx_key_meta("a");
    nbx_batch_put(f.batch, NBX_FAMILY_MODELS, nbx_key_str(&good), NBX_MODEL_RECORD, NBX_STR("x"));
    fixture_write(&f);
    cr_assert_eq(nbx_registry_read(&all, f.store, f.arena, &fault), NBX_ECORRUPT);
    cr_assert(strstr(fault.message, "records of models"), "%s", fault.message);
    put("a", "1", NBX_STAGE_STAGED, 1);
    read_all();
    nbx_batch_put(f.batch, NBX_FAMILY_MODELS, nbx_key_str(&bad), NBX_MODEL_RECORD, NBX_STR("x"));
    fixture_write(&f);
    cr_assert_eq(nbx_registry_read(&all, f.store, f.arena, &fault), NBX_ECORRUPT);
}

Test(registry, a_version_needs_its_file_unless_it_is_archived)
{
    put("a", "1", NBX_STAGE_STAGED, 5);
    put("a", "2", NBX_STAGE_ARCHIVED, 5);
    put_deleted("a", "3");
    read_all();
    cr_assert_eq(nbx_registry_check(&all, f.dir, &fault), NBX_ECORRUPT);
    cr_assert(strstr(fault.message, "/models/a@1.safetensors"), "%s", fault.message);
    write_file("a@1.safetensors", "1234");
    cr_assert_eq(nbx_registry_check(&all, f.dir, &fault), NBX_ECORRUPT, "it is too short");
    write_file("a@1.safetensors", "12345");
    cr_assert_eq(nbx_registry_check(&all, f.dir, &fault), NBX_OK);
    cr_assert(nbx_registry_has_file(f.dir, &all.p[0]));
    cr_assert_not(nbx_registry_has_file(f.dir, &all.p[1]));
}

Test(registry, a_start_removes_what_no_version_has)
{
    put("a", "1", NBX_STAGE_STAGED, 5);
    put("a", "2", NBX_STAGE_ARCHIVED, 5);
    put_deleted("a", "3");
    write_file("a@1.safetensors", "12345");
    write_file("a@2.safetensors", "12345");
    write_file("a@3.safetensors", "12345");
    write_file("b@1.safetensors", "12345");
    write_file("upload-00.part", "1");
    write_file(".hidden", "1");
    read_all();
    nbx_registry_clean(&all, f.dir);
    cr_assert(has_file("a@1.safetensors"));
    cr_assert(has_file("a@2.safetensors"));
    cr_assert_not(has_file("a@3.safetensors"));
    cr_assert_not(has_file("b@1.safetensors"));
    cr_assert_not(has_file("upload-00.part"));
    cr_assert_not(has_file(".hidden"));
}
