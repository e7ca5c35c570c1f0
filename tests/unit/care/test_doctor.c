/* SPDX-License-Identifier: MIT
 * A whole folder is well; each kind of trouble is told with its weight and what to do; and nothing
 * is changed by looking.
 */
#include "engine/care/doctor_internal.h"
#include "engine/store/forgotten.h"
#include "engine/store/log_record.h"
#include "models/bundle/bundle.h"
#include "tests/unit/store/fixture.h"

#include <dirent.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define NOW_MS INT64_C(1800000000000)

static struct fixture f;
static struct nbx_doctor_report report;
static struct nbx_doctor__exam exam;
static struct nbx_doctor_options options;

static void put_command(uint16_t group, uint64_t seq)
{
    struct nbx_key key = nbx_key_meta_group("seq", (uint8_t)group);
    struct nbx_log_record gone = {.kind = NBX_LOG_GONE, .n = 1, .reason = NBX_GONE_BEFORE};
    nbx_log_put(f.batch, group, seq, &gone);
    nbx_record_u64_put(f.batch, NBX_FAMILY_META, nbx_key_str(&key), seq);
    fixture_write(&f);
}

static void begin(void)
{
    fixture_begin(&f);
    options = (struct nbx_doctor_options){.store = &f.options,
                                          .endpoint = "ipc:///tmp/nbx-nobody-listens-here",
                                          .version = "2",
                                          .config = "my.yaml",
                                          .timeout_ms = 20,
                                          .now_ms = NOW_MS};
    report = (struct nbx_doctor_report){.n = 0};
    exam = (struct nbx_doctor__exam){
        .out = &report, .options = &options, .dir = f.dir, .with_config = " --config my.yaml"};
    for (int i = 1; i <= 5; i++)
        put_command(7, (uint64_t)i);
}

static void end(void)
{
    fixture_end(&f);
}

TestSuite(doctor, .init = begin, .fini = end);

static const struct nbx_doctor_check *check_of(const char *name)
{
    for (size_t i = 0; i < report.n; i++)
        if (strcmp(report.checks[i].name, name) == 0)
            return &report.checks[i];
    return NULL;
}

/* The check of that name has this verdict, and its reason and command have these parts. */
static const struct nbx_doctor_check *must(const char *name, enum nbx_doctor_verdict verdict,
                                           const char *what, const char *command)
{
    const struct nbx_doctor_check *check = check_of(name);
    cr_assert_not_null(check, "no check %s", name);
    cr_assert_eq(check->verdict, verdict, "%s: %d, %s", name, check->verdict, check->what);
    cr_assert_not_null(strstr(check->what, what), "%s: %s", name, check->what);
    cr_assert_not_null(strstr(check->command, command), "%s: %s", name, check->command);
    cr_assert_eq(check->command[0] == '\0', verdict == NBX_DOCTOR_OK, "%s: %s", name,
                 check->command);
    return check;
}

/* Every file with its size and time. */
static void list_files(struct nbx_buf *out)
{
    struct dirent **entries = NULL;
    int n = scandir(f.dir, &entries, NULL, alphasort);
    nbx_buf_clear(out);
    for (int i = 0; i < n; i++) {
        char path[400];
        struct stat st;
        snprintf(path, sizeof path, "%s/%s", f.dir, entries[i]->d_name);
        if (strcmp(entries[i]->d_name, "..") != 0 && stat(path, &st) == 0)
            nbx_buf_printf(out, "%s %lld %lld.%09ld\n", entries[i]->d_name, (long long)st.st_size,
                           (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
        free(entries[i]);
    }
    free(entries);
    nbx_buf_put_u8(out, '\0');
}

/* Looks, and nothing is another than before. */
static void examine(void)
{
    struct nbx_buf before = {0}, after = {0};
    list_files(&before);
    nbx_doctor(&report, &options);
    list_files(&after);
    cr_assert_str_eq((const char *)after.p, (const char *)before.p);
    nbx_buf_fini(&before);
    nbx_buf_fini(&after);
}

static void examine_closed(void)
{
    nbx_store_close(&f.store);
    examine();
}

static void write_bundle(const char *version, int64_t created_ms)
{
    static const float factors[2] = {1, 2};
    struct nbx_str ids[] = {NBX_STR("a")};
    struct nbx_fault fault = {0};
    char path[160];
    struct nbx_bundle_info info = {.name = NBX_STR("taste"),
                                   .version = nbx_str_c(version),
                                   .family = NBX_STR("factors"),
                                   .created_ms = created_ms,
                                   .n_items = 1,
                                   .item_ids = ids,
                                   .n_spaces = 1};
    info.spaces[0] = (struct nbx_space){.name = NBX_STR("main"),
                                        .dims = 2,
                                        .customer = NBX_CUSTOMER_FOLDED,
                                        .item_factors = factors,
                                        .alpha0 = 0.1F,
                                        .lambda = 0.05F,
                                        .nu = 1};
    snprintf(path, sizeof path, "%s/%s.safetensors", f.dir, version);
    cr_assert_eq(nbx_bundle_write(path, &info, NULL, &fault), NBX_OK, "%s: %s", fault.field,
                 fault.message);
}

/* Turns a bit in the last byte. */
static void spoil(const char *name)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s", f.dir, name);
    FILE *file = fopen(path, "r+");
    cr_assert_not_null(file);
    cr_assert_eq(fseek(file, -1, SEEK_END), 0);
    int c = fgetc(file);
    cr_assert_eq(fseek(file, -1, SEEK_END), 0);
    fputc(c ^ 1, file);
    cr_assert_eq(fclose(file), 0);
}

static void remove_file(const char *name)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s", f.dir, name);
    cr_assert_eq(unlink(path), 0);
}

Test(doctor, a_whole_folder_without_a_daemon_lacks_the_daemon_alone)
{
    write_bundle("v1", 5);
    examine_closed();
    cr_assert_eq(report.worst, NBX_DOCTOR_WARN);
    cr_assert_gt(must("daemon", NBX_DOCTOR_WARN, "none answers", "nbxd --config my.yaml")->since_ms,
                 0);
    must("folder", NBX_DOCTOR_OK, f.dir, "");
    must("disk", NBX_DOCTOR_OK, "are free", "");
    must("database", NBX_DOCTOR_OK, "format 2", "");
    must("history", NBX_DOCTOR_OK, "were synced", "");
    must("log", NBX_DOCTOR_OK, "5 commands, all", "");
    must("forgets", NBX_DOCTOR_OK, "0 forgotten", "");
    must("files", NBX_DOCTOR_OK, "logs", "");
    must("model", NBX_DOCTOR_OK, "v1", "");
    cr_assert_null(check_of("restore"));
    cr_assert_null(check_of("bundle"));
}

Test(doctor, no_folder_and_an_empty_one_are_told_and_left_so)
{
    char none[160];
    snprintf(none, sizeof none, "%s/none", f.root);
    nbx_store_close(&f.store);
    f.options.dir = none;
    nbx_doctor(&report, &options);
    must("folder", NBX_DOCTOR_WARN, "is not there", "nbx restore BACKUP --config my.yaml");
    cr_assert_null(check_of("database"));
    cr_assert_neq(access(none, F_OK), 0);
    cr_assert_eq(mkdir(none, 0700), 0);
    nbx_doctor(&report, &options);
    must("folder", NBX_DOCTOR_WARN, "has no database", "nbxd");
    cr_assert_eq(report.worst, NBX_DOCTOR_WARN);
    cr_assert_eq(rmdir(none), 0, "nothing was made in it");
}

Test(doctor, what_is_no_folder_is_wrong)
{
    char file[160];
    snprintf(file, sizeof file, "%s/CURRENT", f.dir);
    nbx_store_close(&f.store);
    f.options.dir = file;
    nbx_doctor(&report, &options);
    must("folder", NBX_DOCTOR_WRONG, "cannot be read", "ls -ld");
    cr_assert_eq(report.worst, NBX_DOCTOR_WRONG);
}

Test(doctor, a_history_cut_short_is_damage_since_it_was_last_whole)
{
    char path[160];
    struct nbx_store__logs logs;
    nbx_store_close(&f.store);
    nbx_store__list_logs(&logs, f.dir);
    cr_assert_gt(logs.n, 0);
    snprintf(path, sizeof path, "%s/%06llu.log", f.dir,
             (unsigned long long)nbx_store__newest_log(f.dir));
    cr_assert_eq(truncate(path, 100), 0);
    examine();
    const struct nbx_doctor_check *check =
        must("database", NBX_DOCTOR_DAMAGED, ".log", "nbx restore BACKUP --config my.yaml");
    cr_assert_eq(check->since_ms, nbx_doctor__changed_ms(f.dir, "acknowledged"));
    cr_assert_null(check_of("history"));
    cr_assert_eq(report.worst, NBX_DOCTOR_DAMAGED);
}

Test(doctor, a_database_without_its_first_file_is_damage)
{
    nbx_store_close(&f.store);
    remove_file("CURRENT");
    examine();
    must("database", NBX_DOCTOR_DAMAGED, "CURRENT is missing", "nbx restore");
}

Test(doctor, a_newer_format_wants_a_newer_program)
{
    nbx_record_u64_put(f.batch, NBX_FAMILY_META, NBX_STR("format"), NBX_STORE_FORMAT + 1);
    fixture_write(&f);
    examine_closed();
    must("database", NBX_DOCTOR_DAMAGED, "has format 3", "newer");
}

Test(doctor, a_folder_that_does_not_say_how_far_it_reached_is_a_warning)
{
    nbx_store_close(&f.store);
    remove_file("acknowledged");
    examine();
    must("history", NBX_DOCTOR_WARN, "acknowledged", "nbx verify --config my.yaml");
    cr_assert_eq(report.worst, NBX_DOCTOR_WARN);
}

Test(doctor, a_torn_end_is_a_warning)
{
    struct nbx_store_health health = {.changes = 9, .acknowledged = 7, .says_acknowledged = true};
    nbx_doctor__history(&exam, &health);
    must("history", NBX_DOCTOR_OK, "change 9, 7 were synced", "");
    report.n = 0;
    health.torn = true;
    nbx_doctor__history(&exam, &health);
    must("history", NBX_DOCTOR_WARN, "torn", "nbxd");
}

Test(doctor, a_log_that_lacks_its_end_or_a_whole_stream_is_damage)
{
    struct nbx_key key = nbx_key_meta_group("seq", 7), other = nbx_key_meta_group("seq", 9);
    nbx_record_u64_put(f.batch, NBX_FAMILY_META, nbx_key_str(&key), 8);
    fixture_write(&f);
    examine();
    must("log", NBX_DOCTOR_DAMAGED, "stream 7 ends at command 5, but 8 were given", "nbx verify");
    nbx_record_u64_put(f.batch, NBX_FAMILY_META, nbx_key_str(&key), 5);
    nbx_record_u64_put(f.batch, NBX_FAMILY_META, nbx_key_str(&other), 3);
    fixture_write(&f);
    examine();
    must("log", NBX_DOCTOR_DAMAGED, "nothing is left of stream 9", "nbx verify");
    cr_assert_eq(report.worst, NBX_DOCTOR_DAMAGED);
}

Test(doctor, an_older_programs_folder_has_no_log_yet)
{
    for (uint64_t seq = 1; seq <= 5; seq++) {
        struct nbx_key key = nbx_key_log(7, seq);
        nbx_batch_delete(f.batch, NBX_FAMILY_LOG, nbx_key_str(&key));
    }
    fixture_write(&f);
    examine();
    must("log", NBX_DOCTOR_OK, "begins with the next", "");
}

Test(doctor, a_log_entry_that_does_not_decode_is_damage)
{
    struct nbx_key key = nbx_key_log(7, 5);
    nbx_batch_put(f.batch, NBX_FAMILY_LOG, nbx_key_str(&key), NBX_LOG_RECORD, NBX_STR("\xff"));
    fixture_write(&f);
    examine();
    must("log", NBX_DOCTOR_DAMAGED, "stream 7 cannot be read", "nbx verify");
}

/* `erased_ms` 0: the files are not rid of it. */
static void put_forgotten(uint8_t hash, int64_t time_ms, int64_t erased_ms)
{
    uint8_t hashes[16] = {hash};
    struct nbx_key key = nbx_key_forgotten(hashes, time_ms);
    struct nbx_forgotten_record r = {.number = hash, .erased_ms = erased_ms};
    struct nbx_buf *b = nbx_batch_payload(f.batch);
    nbx_forgotten_record_encode(b, &r);
    nbx_batch_put(f.batch, NBX_FAMILY_FORGOTTEN, nbx_key_str(&key), NBX_FORGOTTEN_RECORD,
                  (struct nbx_str){(const char *)b->p, (uint32_t)b->len});
    fixture_write(&f);
}

Test(doctor, who_is_forgotten_and_still_in_files_is_counted_once_it_is_late)
{
    put_forgotten(1, NOW_MS - 900000, NOW_MS - 800000);
    put_forgotten(2, NOW_MS - 600000, 0);
    examine();
    must("forgets", NBX_DOCTOR_OK, "2 forgotten, 1 of them just now", "");
    put_forgotten(3, NOW_MS - 600001, 0);
    examine();
    cr_assert_eq(must("forgets", NBX_DOCTOR_WARN, "of 3 forgotten, the files are not rid of 2",
                      "nbxd --config my.yaml")
                     ->since_ms,
                 NOW_MS - 600001);
}

Test(doctor, a_list_of_who_was_forgotten_that_cannot_be_read_is_damage)
{
    char path[160];
    snprintf(path, sizeof path, "%s/" NBX_FORGOTTEN_NAME, f.dir);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    for (int i = 0; i < 3; i++)
        fprintf(file, "%062d\n", i);
    cr_assert_eq(fclose(file), 0);
    examine();
    must("forgets", NBX_DOCTOR_DAMAGED, "forgotten", "nbx verify");
    cr_assert_eq(report.worst, NBX_DOCTOR_DAMAGED);
}

Test(doctor, a_damaged_bundle_is_named_and_what_serves_instead)
{
    write_bundle("v1", 5);
    write_bundle("v2", 6);
    examine_closed();
    must("model", NBX_DOCTOR_OK, "v2, in v2.safetensors, the newest of 2", "");
    spoil("v2.safetensors");
    examine();
    const struct nbx_doctor_check *check =
        must("bundle", NBX_DOCTOR_DAMAGED, "v2.safetensors cannot be read: ", "newest other one");
    cr_assert_eq(check->since_ms, nbx_doctor__changed_ms(f.dir, "v2.safetensors"));
    must("model", NBX_DOCTOR_OK, "v1, in v1.safetensors, the newest of 1", "");
    spoil("v1.safetensors");
    examine();
    must("bundle", NBX_DOCTOR_DAMAGED, "nor can others", "rankings serve");
    must("model", NBX_DOCTOR_OK, "no bundle", "");
}

Test(doctor, a_daemon_that_serves_another_than_the_newest_is_told)
{
    write_bundle("v1", 5);
    exam.daemon = (struct nbx_doctor__daemon){.answers = true, .holder = 77, .model = "v1"};
    nbx_doctor__bundles(&exam);
    must("model", NBX_DOCTOR_OK, "v1", "");
    report.n = 0;
    exam.daemon.model[0] = '\0';
    nbx_doctor__bundles(&exam);
    cr_assert_gt(
        must("model", NBX_DOCTOR_WARN, "v1 is the newest, but none", "kill -HUP 77")->since_ms, 0);
}

Test(doctor, a_restore_that_did_not_end_is_told)
{
    char path[160];
    snprintf(path, sizeof path, "%s.restoring", f.dir);
    cr_assert_eq(mkdir(path, 0700), 0);
    examine_closed();
    must("restore", NBX_DOCTOR_WARN, "did not end", path);
}

static const struct nbx_doctor_check *disk(uint64_t free, enum nbx_doctor_verdict verdict,
                                           const char *what)
{
    struct nbx_store_room room = {.free = free, .start = 8 << 20, .writes = 100 << 20};
    report.n = 0;
    nbx_doctor__room(&exam, &room);
    return must("disk", verdict, what, verdict ? "df " : "");
}

Test(doctor, room_on_the_disk)
{
    disk((8 << 20) - 1, NBX_DOCTOR_WRONG, "7 MiB are free, a start needs 8");
    disk(8 << 20, NBX_DOCTOR_WRONG, "writes are refused while");
    disk((100 << 20) - 1, NBX_DOCTOR_WRONG, "99 MiB are free; writes are refused while");
    disk(100 << 20, NBX_DOCTOR_WARN, "once it is less than 100");
    disk((400 << 20) - 1, NBX_DOCTOR_WARN, "once it is less than 100");
    disk(400 << 20, NBX_DOCTOR_OK, "400 MiB are free");
    disk(UINT64_MAX, NBX_DOCTOR_WARN, "does not say");
}

Test(doctor, logs_that_pile_up)
{
    struct nbx_store_health health = {.logs = 3, .log_bytes = 400, .log_want = 100};
    nbx_doctor__files(&exam, &health);
    must("files", NBX_DOCTOR_OK, "3 logs", "");
    report.n = 0;
    health.log_bytes++;
    nbx_doctor__files(&exam, &health);
    must("files", NBX_DOCTOR_WARN, "not being written", "df ");
}

static void daemon_says(enum nbx_doctor_verdict verdict, const char *what, const char *command)
{
    report.n = 0;
    nbx_doctor__daemon(&exam);
    must("daemon", verdict, what, command);
}

Test(doctor, what_a_daemon_says_of_itself)
{
    struct nbx_doctor__daemon *d = &exam.daemon;
    *d = (struct nbx_doctor__daemon){.answers = true, .ready = true, .version = "2", .holder = 77};
    daemon_says(NBX_DOCTOR_OK, "2 answers", "");
    snprintf(d->version, sizeof d->version, "1");
    daemon_says(NBX_DOCTOR_WARN, "1 answers", "kill -TERM 77");
    d->ready = false;
    daemon_says(NBX_DOCTOR_WARN, "not ready", "nbx hello");
    d->holder = 0;
    daemon_says(NBX_DOCTOR_WARN, "none holds this folder", "--print-config");
    *d = (struct nbx_doctor__daemon){.holder = getpid()};
    daemon_says(NBX_DOCTOR_WRONG, "holds the folder but does not answer", "kill -TERM");
    cr_assert_gt(check_of("daemon")->since_ms, 0, "when that process began");
}

static void writes_are(enum nbx_doctor_verdict verdict, const char *what)
{
    report.n = 0;
    nbx_doctor__daemon_writes(&exam);
    const struct nbx_doctor_check *check = must("writes", verdict, what, verdict ? "df " : "");
    cr_assert_eq(check->since_ms, verdict ? 5 : 0);
}

Test(doctor, what_keeps_a_daemon_from_writing)
{
    struct nbx_doctor__daemon *d = &exam.daemon;
    *d = (struct nbx_doctor__daemon){.answers = true, .holder = 77, .started_ms = 5};
    writes_are(NBX_DOCTOR_OK, "taken");
    d->stats.decisions_lost = 3;
    writes_are(NBX_DOCTOR_WARN, "3 decisions");
    d->stats.write_stopped = 1;
    writes_are(NBX_DOCTOR_WARN, "too slow");
    d->stats.background_errors = 2;
    writes_are(NBX_DOCTOR_WRONG, "2 writes of the database's own failed");
    d->stats.disk_full = 1;
    writes_are(NBX_DOCTOR_WRONG, "disk is full");
}

Test(doctor, a_daemon_near_its_limit_of_memory)
{
    exam.daemon = (struct nbx_doctor__daemon){.answers = true, .holder = 77};
    exam.daemon.stats.limit = 1000;
    exam.daemon.stats.resident = 900;
    nbx_doctor__daemon_memory(&exam);
    must("memory", NBX_DOCTOR_OK, "in use", "");
    report.n = 0;
    exam.daemon.stats.resident = 901;
    nbx_doctor__daemon_memory(&exam);
    must("memory", NBX_DOCTOR_WARN, "the daemon ends", "memory_limit");
}

/* Holds the folder until the other side closes its end. */
static int hold(int ready, int until)
{
    struct nbx_fault fault;
    char byte = 1;
    if (nbx_store_open(&f.store, &f.options, &fault) || write(ready, &byte, 1) != 1)
        return 1;
    return read(until, &byte, 1) == 0 ? 0 : 2;
}

Test(doctor, a_process_that_holds_the_folder_in_silence_is_named, .timeout = 60)
{
    int ready[2], until[2], status = 0;
    char byte = 0, name[32];
    nbx_store_close(&f.store);
    cr_assert(pipe(ready) == 0 && pipe(until) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        close(until[1]);
        _exit(hold(ready[1], until[0]));
    }
    close(ready[1]);
    cr_assert_eq(read(ready[0], &byte, 1), 1);
    nbx_doctor(&report, &options);
    snprintf(name, sizeof name, "process %ld holds", (long)pid);
    must("daemon", NBX_DOCTOR_WRONG, name, "kill -TERM");
    must("database", NBX_DOCTOR_OK, "opens", "");
    cr_assert_eq(report.worst, NBX_DOCTOR_WRONG);
    close(until[1]);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
