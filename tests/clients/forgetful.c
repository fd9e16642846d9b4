/* A disk that forgets what was not synced, preloaded into the process under test.
 *
 * kill -9 alone shows no missing fsync: the page cache outlives the process. So each successful fsync or
 * fdatasync copies what a power cut would leave: of a file its contents, of a directory its names. Each copy is
 * under the inode and the time of its birth, since inodes are used again. disk.py puts the copies together.
 *
 * Nothing here ends the process or takes its locks. A copy that can't be made is noted in the file `broken`, and
 * disk.py then refuses to say what a power cut would have left.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ASKED = STATX_TYPE | STATX_INO | STATX_BTIME };

static int note(const char *disk, const char *what) {
    char path[PATH_MAX], text[256];
    int length = snprintf(text, sizeof text, "%s: %s\n", what, strerror(errno));
    snprintf(path, sizeof path, "%s/broken", disk);
    int file = open(path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    if (file >= 0) {
        if (write(file, text, (size_t)length) < 0) perror(path);
        close(file);
    }
    return -1;
}

/* Several processes and threads sync one file. Without the lock, the older of two copies could be the last to be
 * renamed. Each call opens the lock anew, so it keeps threads apart, too; the kernel lets go of it for who is killed. */
static int lock_disk(const char *disk) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/lock", disk);
    int lock = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    if (lock < 0) return note(disk, "can't open the lock");
    while (flock(lock, LOCK_EX) != 0) {
        if (errno == EINTR) continue;
        note(disk, "can't lock");
        close(lock);
        return -1;
    }
    return lock;
}

static void unlock_disk(int lock) {
    /* A child that was forked meanwhile has the same lock, until it begins another program. */
    flock(lock, LOCK_UN);
    close(lock);
}

static int copy_contents(int fd, FILE *draft) {
    char bytes[1 << 16], source[64];
    off_t offset = 0;
    ssize_t count;
    int reader = fd;
    /* Closing any descriptor of a file drops all POSIX locks of this process on it, those of SQLite among them.
     * So a file is opened again only where it can't be read otherwise, as SQLite opens none. */
    if ((fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY) {
        snprintf(source, sizeof source, "/proc/self/fd/%d", fd);
        reader = open(source, O_RDONLY | O_CLOEXEC);
        if (reader < 0) return -1;
    }
    while ((count = pread(reader, bytes, sizeof bytes, offset)) > 0) {
        if (fwrite(bytes, 1, (size_t)count, draft) != (size_t)count) break;
        offset += count;
    }
    if (reader != fd) close(reader);
    return count == 0 ? 0 : -1;
}

static int copy_names(int fd, FILE *draft) {
    char source[64];
    struct dirent *entry;
    struct statx status;
    snprintf(source, sizeof source, "/proc/self/fd/%d", fd);
    DIR *directory = opendir(source);
    if (!directory) return -1;
    while ((entry = readdir(directory))) {
        /* One that is gone by now was removed before the copy was made. */
        if (statx(dirfd(directory), entry->d_name, AT_SYMLINK_NOFOLLOW, ASKED, &status) != 0) continue;
        if (S_ISREG(status.stx_mode))
            fprintf(draft, "%llu-%lld.%09u %s\n", status.stx_ino, status.stx_btime.tv_sec, status.stx_btime.tv_nsec, entry->d_name);
    }
    closedir(directory);
    return 0;
}

/* Copies what is behind a descriptor; disk.py calls it, too. */
int keep(const char *disk, int fd) {
    struct statx status;
    char draft[PATH_MAX], path[PATH_MAX];
    if (statx(fd, "", AT_EMPTY_PATH, ASKED, &status) != 0) return note(disk, "can't look at what was synced");
    int is_file = S_ISREG(status.stx_mode);
    if (!is_file && !S_ISDIR(status.stx_mode)) return 0;
    int lock = lock_disk(disk);
    if (lock < 0) return -1;
    /* Written whole and renamed: the process may be killed in the middle. No other thread has this draft. */
    snprintf(draft, sizeof draft, "%s/draft.%ld", disk, (long)syscall(SYS_gettid));
    snprintf(path, sizeof path, "%s/%s.%llu-%lld.%09u", disk, is_file ? "data" : "names", status.stx_ino,
             status.stx_btime.tv_sec, status.stx_btime.tv_nsec);
    int outcome = 0;
    FILE *file = fopen(draft, "wbe");
    if (!file) {
        outcome = note(disk, "can't begin a copy");
    } else {
        if ((is_file ? copy_contents(fd, file) : copy_names(fd, file)) != 0) outcome = note(disk, "can't copy");
        if (fclose(file) != 0) outcome = note(disk, "can't write a copy");
        if (outcome == 0 && rename(draft, path) != 0) outcome = note(disk, "can't rename a copy");
    }
    unlock_disk(lock);
    return outcome;
}

static int synced(const char *function, int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, function);
    const char *disk = getenv("FORGETFUL_DISK");
    int outcome = real(fd);
    if (outcome == 0 && disk) {
        int before = errno;
        keep(disk, fd);
        errno = before;
    }
    return outcome;
}

int fsync(int fd) { return synced("fsync", fd); }
int fdatasync(int fd) { return synced("fdatasync", fd); }
