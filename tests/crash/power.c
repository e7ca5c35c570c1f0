/* SPDX-License-Identifier: MIT */
#include "tests/crash/power.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES 768
#define NAME_BYTES 256
#define MAX_FILES  4096 /* in one run of the daemon */

struct name {
    char text[NAME_BYTES];
    unsigned long inode;
};

struct kept {
    unsigned long inode;
    long long length;
};

/* What the disk has. */
struct disk {
    struct name *names; /* (n_names) of MAX_FILES */
    struct kept *files; /* (n_files) of MAX_FILES */
    size_t n_names, n_files;
};

static bool fail(const char *what)
{
    printf("power: %s: %s\n", what, strerror(errno));
    return false;
}

/* Removes the regular files of a folder. */
static bool empty_folder(const char *folder)
{
    char path[PATH_BYTES];
    DIR *dir = opendir(folder);
    if (!dir)
        return errno == ENOENT;
    for (struct dirent *e; (e = readdir(dir));) {
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (e->d_type == DT_REG)
            unlink(path);
    }
    closedir(dir);
    return true;
}

static bool note_present(FILE *notes, const char *data, const char *power)
{
    char path[PATH_BYTES], keep[PATH_BYTES];
    struct stat st;
    unsigned n = 0;
    DIR *dir = opendir(data);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        snprintf(path, sizeof path, "%s/%s", data, e->d_name);
        if (e->d_type != DT_REG || stat(path, &st))
            continue;
        snprintf(keep, sizeof keep, "%s/%lu", power, (unsigned long)st.st_ino);
        if (link(path, keep)) {
            closedir(dir);
            return fail(keep);
        }
        fprintf(notes, "+ %lu %s\n= %lu %lld\n", (unsigned long)st.st_ino, e->d_name,
                (unsigned long)st.st_ino, (long long)st.st_size);
        n++;
    }
    if (dir)
        closedir(dir);
    fprintf(notes, "/ %u\n", n);
    return true;
}

bool power_begin(const char *folder)
{
    char data[PATH_BYTES], power[PATH_BYTES], path[PATH_BYTES];
    snprintf(data, sizeof data, "%s/data", folder);
    snprintf(power, sizeof power, "%s/power", folder);
    if (mkdir(power, 0700) && errno != EEXIST)
        return fail(power);
    if (!empty_folder(power))
        return fail(power);
    snprintf(path, sizeof path, "%.700s/notes", power);
    FILE *notes = fopen(path, "we");
    if (!notes)
        return fail(path);
    bool noted = note_present(notes, data, power);
    return fclose(notes) == 0 && noted;
}

static struct kept *find_file(struct disk *disk, unsigned long inode)
{
    for (size_t i = 0; i < disk->n_files; i++)
        if (disk->files[i].inode == inode)
            return &disk->files[i];
    if (disk->n_files == MAX_FILES)
        abort();
    disk->files[disk->n_files] = (struct kept){.inode = inode};
    return &disk->files[disk->n_files++];
}

static void drop_name(struct disk *disk, const char *text)
{
    for (size_t i = 0; i < disk->n_names; i++)
        if (strcmp(disk->names[i].text, text) == 0)
            disk->names[i--] = disk->names[--disk->n_names];
}

static void add_name(struct disk *disk, const char *text, unsigned long inode)
{
    drop_name(disk, text);
    if (disk->n_names == MAX_FILES)
        abort();
    struct name *name = &disk->names[disk->n_names++];
    snprintf(name->text, sizeof name->text, "%s", text);
    name->inode = inode;
}

/* One note about names. */
static void change_name(struct disk *disk, const char *line)
{
    char a[NAME_BYTES], b[NAME_BYTES];
    unsigned long inode;
    if (sscanf(line, "+ %lu %255s", &inode, a) == 2) {
        find_file(disk, inode); /* in the order of their making */
        add_name(disk, a, inode);
    } else if (sscanf(line, "> %255s %255s", a, b) == 2) {
        for (size_t i = 0; i < disk->n_names; i++) {
            if (strcmp(disk->names[i].text, a) != 0)
                continue;
            inode = disk->names[i].inode;
            drop_name(disk, a);
            add_name(disk, b, inode);
            return;
        }
    } else if (sscanf(line, "- %255s", a) == 1) {
        drop_name(disk, a);
    }
}

static bool changes_name(const char *line)
{
    return line[0] == '+' || line[0] == '>' || line[0] == '-';
}

static void read_notes(struct disk *disk, FILE *notes, struct nbx_random *random)
{
    char line[1024];
    unsigned long changes = 0, safe = 0, n = 0, inode;
    long long length;
    while (fgets(line, sizeof line, notes)) {
        changes += changes_name(line);
        if (sscanf(line, "/ %lu", &n) == 1 && n > safe)
            safe = n;
    }
    safe += (unsigned long)nbx_random_below(random, changes - safe + 1);
    rewind(notes);
    for (changes = 0; fgets(line, sizeof line, notes);) {
        if (changes_name(line) && changes++ < safe)
            change_name(disk, line);
        else if (sscanf(line, "= %lu %lld", &inode, &length) == 2) {
            struct kept *file = find_file(disk, inode);
            file->length = length > file->length ? length : file->length;
        } else if (sscanf(line, "< %lu %lld", &inode, &length) == 2) {
            struct kept *file = find_file(disk, inode);
            file->length = length < file->length ? length : file->length;
        }
    }
}

static const char *name_of(const struct disk *disk, unsigned long inode)
{
    for (size_t i = 0; i < disk->n_names; i++)
        if (disk->names[i].inode == inode)
            return disk->names[i].text;
    return NULL;
}

/* Puts one file back as the disk has it. Of bytes in doubt *torn (or NULL) decides, which is NULL
 * once some are gone. */
static bool restore(const struct kept *file, const char *name, const char *folder,
                    struct nbx_random **torn, struct power_loss *loss)
{
    char keep[PATH_BYTES], path[PATH_BYTES];
    struct stat st;
    snprintf(keep, sizeof keep, "%s/power/%lu", folder, file->inode);
    snprintf(path, sizeof path, "%s/data/%s", folder, name);
    if (stat(keep, &st))
        return fail(keep);
    long long length = file->length < st.st_size ? file->length : st.st_size;
    if (*torn)
        length += (long long)nbx_random_below(*torn, (uint64_t)(st.st_size - length) + 1);
    if (length < st.st_size)
        *torn = NULL;
    loss->files += length < st.st_size;
    loss->bytes += (unsigned)(st.st_size - length);
    return (truncate(keep, length) == 0 && link(keep, path) == 0) || fail(path);
}

bool power_cut(const char *folder, struct nbx_random *random, bool torn, struct power_loss *loss)
{
    char path[PATH_BYTES];
    struct disk disk = {calloc(MAX_FILES, sizeof(struct name)),
                        calloc(MAX_FILES, sizeof(struct kept)), 0, 0};
    *loss = (struct power_loss){0};
    snprintf(path, sizeof path, "%s/power/notes", folder);
    FILE *notes = fopen(path, "re");
    bool cut = notes && disk.names && disk.files;
    if (cut) {
        read_notes(&disk, notes, random);
        snprintf(path, sizeof path, "%s/data", folder);
        cut = empty_folder(path);
    } else {
        fail(path);
    }
    struct nbx_random *of_doubt = torn ? random : NULL;
    for (size_t i = 0; cut && i < disk.n_files; i++) {
        const char *name = name_of(&disk, disk.files[i].inode);
        cut = !name || restore(&disk.files[i], name, folder, &of_doubt, loss);
    }
    if (notes)
        fclose(notes);
    free(disk.names);
    free(disk.files);
    return cut;
}
