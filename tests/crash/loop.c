/* SPDX-License-Identifier: MIT */
#include "tests/crash/loop.h"

#include "tests/crash/daemon.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define PATH_BYTES 512

const char *loop_missing(void)
{
    if (geteuid() != 0)
        return "only root can mount a file system";
    if (access("/sbin/mkfs.ext4", X_OK) && access("/usr/sbin/mkfs.ext4", X_OK))
        return "there is no mkfs.ext4";
    if (access("/dev/loop-control", R_OK | W_OK))
        return "there are no loop devices";
    return NULL;
}

static bool mount_image(const char *folder)
{
    char image[PATH_BYTES], disk[PATH_BYTES];
    snprintf(image, sizeof image, "%s/disk.img", folder);
    snprintf(disk, sizeof disk, "%s/disk", folder);
    return run_program((const char *const[]){"mount", "-o", "loop", image, disk, NULL});
}

static bool make_folders(const char *folder)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/disk/data", folder);
    if (!run_program((const char *const[]){"mkdir", path, NULL}))
        return false;
    snprintf(path, sizeof path, "%s/data", folder);
    sync(); /* a cut is not to find a disk without a folder */
    return symlink("disk/data", path) == 0;
}

bool loop_make(const char *folder, unsigned mib)
{
    char image[PATH_BYTES], disk[PATH_BYTES];
    snprintf(image, sizeof image, "%s/disk.img", folder);
    snprintf(disk, sizeof disk, "%s/disk", folder);
    FILE *f = fopen(image, "we");
    if (!f || ftruncate(fileno(f), (off_t)mib << 20) || fclose(f))
        return false;
    return run_program((const char *const[]){"mkfs.ext4", "-q", "-m", "0", image, NULL}) &&
           run_program((const char *const[]){"mkdir", disk, NULL}) && mount_image(folder) &&
           make_folders(folder);
}

bool loop_copy(const char *folder)
{
    char image[PATH_BYTES], copy[PATH_BYTES];
    snprintf(image, sizeof image, "%s/disk.img", folder);
    snprintf(copy, sizeof copy, "%s/cut.img", folder);
    return run_program((const char *const[]){"cp", "--sparse=always", image, copy, NULL});
}

bool loop_end(const char *folder)
{
    char disk[PATH_BYTES], data[PATH_BYTES];
    snprintf(disk, sizeof disk, "%s/disk", folder);
    snprintf(data, sizeof data, "%s/disk/data", folder);
    return access(data, F_OK) || run_program((const char *const[]){"umount", disk, NULL});
}

bool loop_replace(const char *folder)
{
    char image[PATH_BYTES], copy[PATH_BYTES];
    snprintf(image, sizeof image, "%s/disk.img", folder);
    snprintf(copy, sizeof copy, "%s/cut.img", folder);
    return loop_end(folder) && rename(copy, image) == 0 && mount_image(folder);
}

uint64_t loop_free_bytes(const char *folder)
{
    char disk[PATH_BYTES];
    struct statvfs st;
    snprintf(disk, sizeof disk, "%s/disk", folder);
    return statvfs(disk, &st) ? 0 : (uint64_t)st.f_bavail * st.f_frsize;
}

static void ballast_path(char *path, size_t bytes, const char *folder)
{
    snprintf(path, bytes, "%s/disk/ballast", folder);
}

void loop_take(const char *folder, uint64_t bytes)
{
    static const char zeros[1 << 16] = "";
    char path[PATH_BYTES];
    ballast_path(path, sizeof path, folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    for (size_t step = sizeof zeros; fd >= 0 && bytes > 0 && step > 0;) {
        ssize_t n = write(fd, zeros, step < bytes ? step : bytes);
        bytes -= n > 0 ? (uint64_t)n : 0;
        step = n > 0 ? step : step / 2;
    }
    if (fd >= 0)
        close(fd);
}

void loop_leave(const char *folder, uint64_t bytes)
{
    uint64_t room = loop_free_bytes(folder);
    if (room > bytes)
        loop_take(folder, room - bytes);
}

void loop_give_back(const char *folder)
{
    char path[PATH_BYTES];
    ballast_path(path, sizeof path, folder);
    unlink(path);
}
