/* SPDX-License-Identifier: MIT */
#include "engine/care/doctor_internal.h"

#include "engine/care/files.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define MIB(bytes) ((unsigned long long)(bytes) >> 20)

const char *nbx_doctor_word(enum nbx_doctor_verdict verdict)
{
    static const char *const words[] = {[NBX_DOCTOR_OK] = "ok",
                                        [NBX_DOCTOR_WARN] = "warn",
                                        [NBX_DOCTOR_WRONG] = "WRONG",
                                        [NBX_DOCTOR_DAMAGED] = "WRONG"};
    return words[verdict];
}

struct nbx_doctor_check *nbx_doctor__check(struct nbx_doctor__exam *exam, const char *name)
{
    struct nbx_doctor_check *check = &exam->out->checks[exam->out->n++];
    *check = (struct nbx_doctor_check){.name = name};
    return check;
}

void nbx_doctor__say(struct nbx_doctor_check *check, enum nbx_doctor_verdict verdict,
                     const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    check->verdict = verdict;
    vsnprintf(check->what, sizeof check->what, fmt, args);
    va_end(args);
}

void nbx_doctor__advise(struct nbx_doctor_check *check, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(check->command, sizeof check->command, fmt, args);
    va_end(args);
}

int64_t nbx_doctor__changed_ms(const char *dir, const char *name)
{
    char path[NBX_CARE_PATH_BYTES];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    if (stat(path, &st))
        return 0;
    return (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
}

static bool is_of_database(const char *name)
{
    const char *end = strrchr(name, '.');
    return strcmp(name, "CURRENT") == 0 || strcmp(name, "acknowledged") == 0 ||
           strncmp(name, "MANIFEST-", 9) == 0 ||
           (end && (strcmp(end, ".sst") == 0 || strcmp(end, ".log") == 0));
}

static bool has_database(DIR *dir)
{
    for (struct dirent *e; (e = readdir(dir));)
        if (is_of_database(e->d_name))
            return true;
    return false;
}

/* Whether there is something to look at. */
static bool look_at_folder(struct nbx_doctor__exam *exam)
{
    struct nbx_doctor_check *check = nbx_doctor__check(exam, "folder");
    DIR *dir = opendir(exam->dir);
    bool there = dir && has_database(dir);
    if (there)
        nbx_doctor__say(check, NBX_DOCTOR_OK, "%s", exam->dir);
    else if (dir || errno == ENOENT)
        nbx_doctor__say(check, NBX_DOCTOR_WARN, "%s %s", exam->dir,
                        dir ? "has no database in it" : "is not there");
    else
        nbx_doctor__say(check, NBX_DOCTOR_WRONG, "%s cannot be read: %s", exam->dir,
                        strerror(errno));
    if (check->verdict == NBX_DOCTOR_WARN)
        nbx_doctor__advise(check, "nbxd%s, which makes it; or nbx restore BACKUP%s",
                           exam->with_config, exam->with_config);
    if (check->verdict == NBX_DOCTOR_WRONG)
        nbx_doctor__advise(check, "ls -ld %s", exam->dir);
    if (dir)
        closedir(dir);
    return there;
}

/* A restore goes on in a folder beside, and leaves it where it is ended. */
static void look_for_restore(struct nbx_doctor__exam *exam)
{
    char name[NBX_CARE_PATH_BYTES];
    struct stat st;
    nbx_care__restoring(name, exam->dir);
    if (stat(name, &st))
        return;
    struct nbx_doctor_check *check = nbx_doctor__check(exam, "restore");
    nbx_doctor__say(check, NBX_DOCTOR_WARN, "%s is left of a restore that did not end, or goes on",
                    name);
    check->since_ms = (int64_t)st.st_mtim.tv_sec * 1000;
    nbx_doctor__advise(check, "rm -r %s, if no restore runs, and restore again", name);
}

void nbx_doctor__room(struct nbx_doctor__exam *exam, const struct nbx_store_room *room)
{
    struct nbx_doctor_check *check = nbx_doctor__check(exam, "disk");
    if (room->free == UINT64_MAX) {
        nbx_doctor__say(check, NBX_DOCTOR_WARN, "the file system does not say what is free");
        nbx_doctor__advise(check, "df %s", exam->dir);
        return;
    }
    if (room->free < room->start)
        nbx_doctor__say(check, NBX_DOCTOR_WRONG, "%llu MiB are free, a start needs %llu",
                        MIB(room->free), MIB(room->start));
    else if (room->free < room->writes)
        nbx_doctor__say(check, NBX_DOCTOR_WRONG,
                        "%llu MiB are free; writes are refused while it is less than %llu",
                        MIB(room->free), MIB(room->writes));
    else if (room->free < 4 * room->writes)
        nbx_doctor__say(check, NBX_DOCTOR_WARN,
                        "%llu MiB are free; writes are refused once it is less than %llu",
                        MIB(room->free), MIB(room->writes));
    else
        nbx_doctor__say(check, NBX_DOCTOR_OK, "%llu MiB are free, writes need %llu",
                        MIB(room->free), MIB(room->writes));
    if (check->verdict)
        nbx_doctor__advise(check, "df %s; make room, writes go on by themselves", exam->dir);
}

static void conclude(struct nbx_doctor_report *out)
{
    for (size_t i = 0; i < out->n; i++)
        out->worst = out->checks[i].verdict > out->worst ? out->checks[i].verdict : out->worst;
}

void nbx_doctor(struct nbx_doctor_report *out, const struct nbx_doctor_options *options)
{
    char with_config[NBX_DOCTOR_TEXT_BYTES / 2] = "";
    struct nbx_doctor__exam exam = {
        .out = out, .options = options, .dir = options->store->dir, .with_config = with_config};
    *out = (struct nbx_doctor_report){.n = 0};
    if (options->config)
        snprintf(with_config, sizeof with_config, " --config %s", options->config);
    nbx_doctor__ask(&exam.daemon, options);
    nbx_doctor__daemon(&exam);
    look_for_restore(&exam);
    if (look_at_folder(&exam)) {
        struct nbx_store_room room = nbx_store_get_room(options->store);
        nbx_doctor__room(&exam, &room);
        nbx_doctor__store(&exam);
        nbx_doctor__bundles(&exam);
        nbx_doctor__daemon_writes(&exam);
        nbx_doctor__daemon_memory(&exam);
    }
    conclude(out);
}
