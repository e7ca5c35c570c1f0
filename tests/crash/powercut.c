/* SPDX-License-Identifier: MIT
 * Preloaded into the daemon: notes what of its data folder a power cut could not take.
 *
 * Why:     kill -9 leaves every written byte in the page cache, so it says nothing about syncing.
 *          power.c turns these notes into the folder as a disk would have it after a cut.
 * Owns:    the notes file and one hard link to every file the daemon makes, both outside the data
 *          folder: a link keeps the bytes of what is later removed or replaced.
 * Threads: any; names change one after the other, each with its note: a thread that saw a new name
 *          and then syncs the folder finds the note counted.
 * Errors:  a call fails as the real one does. Where a note cannot be written the process ends.
 *
 * The model, on the safe side throughout:
 * - Bytes: fsync and fdatasync keep what the file held when the call began. Nothing else does: not
 *   close, not sync_file_range, not time. msync counts as nothing, since the store maps no file for
 *   writing. Truncating takes effect at once.
 * - Names: made, renamed and removed names are kept by an fsync of the folder, if they came before
 *   it began. Those after it are in doubt, but in order, as in a journal.
 * - A file made through fopen is not noted and never survives: RocksDB's text log is the only one.
 *
 * A note is one line: "+ INODE NAME" made, "> OLD NEW" renamed, "- NAME" removed, each counted;
 * "= INODE LENGTH" bytes kept; "< INODE LENGTH" cut to it; "/ N" the first N changes of names kept.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct {
    pthread_mutex_t lock;
    const char *data, *notes; /* folders */
    size_t data_len;
    int fd; /* of the notes; below 0: not ours to watch */
    unsigned long changes;
} power = {.lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1};

/* Raw calls: the wrappers below would note themselves. */
static void write_note(const char *text, int len)
{
    if (syscall(SYS_write, power.fd, text, (size_t)len) != len)
        _exit(125);
}

__attribute__((constructor)) static void begin(void)
{
    char path[4096];
    power.data = getenv("NBX_POWER_DATA");
    power.notes = getenv("NBX_POWER_NOTES");
    if (!power.data || !power.notes)
        return;
    power.data_len = strlen(power.data);
    snprintf(path, sizeof path, "%s/notes", power.notes);
    power.fd =
        (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (power.fd < 0)
        _exit(125);
    FILE *f = fopen(path, "re"); /* changes noted before us count on */
    while (f && fgets(path, sizeof path, f))
        power.changes += path[0] == '+' || path[0] == '>' || path[0] == '-';
    if (f)
        fclose(f);
}

/* The name within the data folder, or NULL. */
static const char *name_of(const char *path)
{
    if (power.fd < 0 || strncmp(path, power.data, power.data_len) != 0 ||
        path[power.data_len] != '/')
        return NULL;
    const char *name = path + power.data_len;
    while (*name == '/')
        name++;
    return *name && !strchr(name, '/') ? name : NULL;
}

static void note_change(const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    power.changes++;
    write_note(line, n);
}

static void note_length(char kind, unsigned long inode, long long length)
{
    char line[64];
    write_note(line, snprintf(line, sizeof line, "%c %lu %lld\n", kind, inode, length));
}

/* A file was opened that may be new. The caller holds the lock. */
static void note_open(const char *path, int flags, int fd)
{
    const char *name = flags & (O_CREAT | O_TRUNC) ? name_of(path) : NULL;
    struct stat st;
    char keep[4096];
    if (!name || fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode))
        return;
    int kept_errno = errno;
    snprintf(keep, sizeof keep, "%s/%lu", power.notes, (unsigned long)st.st_ino);
    if (link(path, keep) == 0)
        note_change("+ %lu %s\n", (unsigned long)st.st_ino, name);
    else if (errno != EEXIST)
        _exit(125);
    if (flags & O_TRUNC)
        note_length('<', (unsigned long)st.st_ino, 0);
    errno = kept_errno;
}

#define REAL(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

static mode_t mode_of(int flags, va_list args)
{
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
}

static int open_and_note(const char *path, int flags, mode_t mode)
{
    pthread_mutex_lock(&power.lock);
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    note_open(path, flags, fd);
    int kept_errno = errno;
    pthread_mutex_unlock(&power.lock);
    errno = kept_errno;
    return fd;
}

int open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = mode_of(flags, args);
    va_end(args);
    return open_and_note(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = mode_of(flags, args);
    va_end(args);
    return open_and_note(path, flags, mode);
}

int creat(const char *path, mode_t mode)
{
    return open(path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

int creat64(const char *path, mode_t mode)
{
    return open(path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

static bool is_data_folder(const struct stat *st)
{
    struct stat data;
    return S_ISDIR(st->st_mode) && stat(power.data, &data) == 0 && data.st_ino == st->st_ino &&
           data.st_dev == st->st_dev;
}

/* What is there before the call is what it keeps. */
static int sync_and_note(int fd, int (*real)(int))
{
    struct stat st;
    char line[64];
    if (power.fd < 0 || fstat(fd, &st))
        return real(fd);
    pthread_mutex_lock(&power.lock);
    unsigned long changes = power.changes;
    pthread_mutex_unlock(&power.lock);
    int rc = real(fd);
    if (rc == 0 && S_ISREG(st.st_mode))
        note_length('=', (unsigned long)st.st_ino, (long long)st.st_size);
    else if (rc == 0 && is_data_folder(&st))
        write_note(line, snprintf(line, sizeof line, "/ %lu\n", changes));
    return rc;
}

int fsync(int fd)
{
    return sync_and_note(fd, REAL(fsync));
}

int fdatasync(int fd)
{
    return sync_and_note(fd, REAL(fdatasync));
}

int ftruncate(int fd, off_t length)
{
    struct stat st;
    int rc = REAL(ftruncate)(fd, length);
    if (rc == 0 && power.fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        note_length('<', (unsigned long)st.st_ino, (long long)length);
    return rc;
}

int rename(const char *from, const char *to)
{
    const char *old_name = name_of(from), *new_name = name_of(to);
    pthread_mutex_lock(&power.lock);
    int rc = REAL(rename)(from, to);
    if (rc == 0 && old_name && new_name)
        note_change("> %s %s\n", old_name, new_name);
    pthread_mutex_unlock(&power.lock);
    return rc;
}

int unlink(const char *path)
{
    const char *name = name_of(path);
    pthread_mutex_lock(&power.lock);
    int rc = REAL(unlink)(path);
    if (rc == 0 && name)
        note_change("- %s\n", name);
    pthread_mutex_unlock(&power.lock);
    return rc;
}
