/* SPDX-License-Identifier: MIT
 * Which manifest `acknowledged` may name: one whose name outlasts a power cut.
 *
 * Why:     RocksDB renames CURRENT and syncs the folder after it. A number noted between the two
 *          would make a folder that lost nothing look as if it had.
 * Owns:    the test's folder.
 * Threads: one.
 * Errors:  whatever fails here fails the test.
 */
#include "tests/unit/store/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static struct fixture f;
static bool folders_fail; /* syncing a folder */

int fsync(int fd)
{
    struct stat st;
    if (folders_fail && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fsync, fd);
}

static void write_file(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", f.dir, name);
    FILE *file = fopen(path, "we");
    cr_assert(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void begin(void)
{
    fixture_folder(&f);
    cr_assert_eq(mkdir(f.dir, 0750), 0);
    write_file("CURRENT", "MANIFEST-000007\n");
    write_file("MANIFEST-000007", "seven");
    folders_fail = false;
}

static void end(void)
{
    fixture_end(&f);
}

TestSuite(store_manifest, .init = begin, .fini = end);

Test(store_manifest, a_number_is_noted_once_the_folder_is_synced)
{
    struct nbx_store store = {.dir = f.dir, .manifest_fd = -1};
    folders_fail = true;
    nbx_store__reopen_manifest(&store);
    nbx_store__look_at_manifest(&store);
    cr_assert_eq(store.manifest.number, 0);
    folders_fail = false;
    nbx_store__reopen_manifest(&store);
    nbx_store__look_at_manifest(&store);
    cr_assert_eq(store.manifest.number, 7);
    cr_assert_eq(store.manifest.bytes, 5);
    close(store.manifest_fd);
}

Test(store_manifest, where_the_new_name_may_be_lost_the_old_one_is_not_kept)
{
    struct nbx_store store = {.dir = f.dir, .manifest_fd = -1};
    nbx_store__reopen_manifest(&store);
    cr_assert_eq(store.manifest.number, 7);
    write_file("MANIFEST-000009", "nine");
    write_file("CURRENT", "MANIFEST-000009\n");
    folders_fail = true;
    nbx_store__reopen_manifest(&store);
    cr_assert_eq(store.manifest.number, 0, "neither is sure to be there");
    cr_assert_eq(store.manifest_fd, -1);
    folders_fail = false;
    nbx_store__reopen_manifest(&store);
    cr_assert_eq(store.manifest.number, 9);
    close(store.manifest_fd);
}
