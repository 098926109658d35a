/* What would be left after a loss of power: preloaded into a process, it writes to the file that
 * THERIAC_POWER_LOG names what each fsync and fdatasync made last, and ends the process at the
 * one whose number THERIAC_POWER_CUT gives (from 1), before it is done.
 *
 *   file <identity> <length>      its first bytes up to there are on the disk
 *   folder <identity>             its entries are, which follow:
 *   entry <name>
 *   synced                        the call is through
 *
 * An identity is an inode and, as inodes are used again, the time when it was made.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

static void note_folder(FILE *log, int fd) {
    int again = openat(fd, ".", O_RDONLY | O_DIRECTORY);
    DIR *entries = again < 0 ? NULL : fdopendir(again);
    if (!entries) abort();
    for (struct dirent *entry; (entry = readdir(entries));) fprintf(log, "entry %s\n", entry->d_name);
    closedir(entries);
}

static void note(int fd) {
    static long cut = -1, calls;
    static FILE *log;
    if (cut < 0) {
        const char *number = getenv("THERIAC_POWER_CUT"), *path = getenv("THERIAC_POWER_LOG");
        cut = number ? atol(number) : 0;
        log = path ? fopen(path, "a") : NULL;
        if (!log) abort();
    }
    if (++calls == cut) _exit(137);
    struct statx found;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &found)) abort();
    int folder = S_ISDIR(found.stx_mode);
    fprintf(log, "%s %llu.%lld.%u", folder ? "folder" : "file", (unsigned long long)found.stx_ino,
            (long long)found.stx_btime.tv_sec, found.stx_btime.tv_nsec);
    if (folder) fprintf(log, "\n"), note_folder(log, fd);
    else fprintf(log, " %llu\n", (unsigned long long)found.stx_size);
    fprintf(log, "synced\n");
    fflush(log);
}

/* Nothing is really forced to the disk: the test does not last that long. */
int fsync(int fd) {
    pthread_mutex_lock(&turn);
    note(fd);
    pthread_mutex_unlock(&turn);
    return 0;
}

int fdatasync(int fd) { return fsync(fd); }
