/* A disk that forgets what was not synced, preloaded into the process under test.
 *
 * kill -9 alone shows no missing fsync: the page cache outlives the process. So each successful fsync or
 * fdatasync copies what a power cut would leave: of a file its contents, under its inode; of a directory its
 * names. disk.py puts the two together again.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

static void fail(const char *what) {
    perror(what);
    abort();
}

/* Commands sync the same files beside the service. Without the lock, the older of two copies could be the
 * last to be renamed, and two processes would write one draft. The kernel lets go of it when one is killed. */
static int lock_disk(void) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/lock", getenv("FORGETFUL_DISK"));
    int lock = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    if (lock < 0 || flock(lock, LOCK_EX) != 0) fail(path);
    return lock;
}

/* Written whole and renamed: the process may be killed in the middle. */
static FILE *begin(char *draft, const char *name) {
    snprintf(draft, PATH_MAX, "%s/%s.draft", getenv("FORGETFUL_DISK"), name);
    FILE *file = fopen(draft, "wb");
    if (!file) fail(draft);
    return file;
}

static void finish(FILE *file, const char *draft) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%.*s", (int)(strlen(draft) - strlen(".draft")), draft);
    if (fclose(file) != 0 || rename(draft, path) != 0) fail(path);
}

static void keep(int fd) {
    struct stat status;
    char draft[PATH_MAX], name[64], source[64];
    if (!getenv("FORGETFUL_DISK") || fstat(fd, &status) != 0) return;
    pthread_mutex_lock(&one_at_a_time);
    int lock = lock_disk();
    snprintf(source, sizeof source, "/proc/self/fd/%d", fd);
    if (S_ISREG(status.st_mode)) {
        char bytes[1 << 16];
        off_t offset = 0;
        ssize_t count;
        int reader = open(source, O_RDONLY | O_CLOEXEC);
        if (reader < 0) fail(source);
        snprintf(name, sizeof name, "data.%llu", (unsigned long long)status.st_ino);
        FILE *file = begin(draft, name);
        while ((count = pread(reader, bytes, sizeof bytes, offset)) > 0) {
            if (fwrite(bytes, 1, (size_t)count, file) != (size_t)count) fail(draft);
            offset += count;
        }
        if (count < 0) fail(source);
        close(reader);
        finish(file, draft);
    } else if (S_ISDIR(status.st_mode)) {
        DIR *directory = opendir(source);
        struct dirent *entry;
        if (!directory) fail(source);
        FILE *file = begin(draft, "names");
        while ((entry = readdir(directory)))
            if (entry->d_type == DT_REG) fprintf(file, "%llu %s\n", (unsigned long long)entry->d_ino, entry->d_name);
        closedir(directory);
        finish(file, draft);
    }
    close(lock);
    pthread_mutex_unlock(&one_at_a_time);
}

static int synced(const char *function, int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, function);
    int outcome = real(fd);
    if (outcome == 0) keep(fd);
    return outcome;
}

int fsync(int fd) { return synced("fsync", fd); }
int fdatasync(int fd) { return synced("fdatasync", fd); }
