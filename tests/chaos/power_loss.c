/* Loaded into redis-server with LD_PRELOAD: notes how far each file is safely on disk.
 *
 * Each successful fsync or fdatasync appends "<inode> <size>" to the file named by POWER_LOSS_LOG, where size is the
 * file's length just before the call. Whatever lies behind it was never promised to anybody: a power cut may take it.
 * By inode, because Redis writes a new base file under a temporary name and renames it.
 *
 * While the file named by POWER_LOSS_TRAP exists, the next sync of the server itself (not of a child that rewrites
 * the file) kills the server instead: written, not synced, not answered.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static pid_t server;

__attribute__((constructor)) static void remember_server(void) { server = getpid(); }

static void trap(void) {
    const char *path = getenv("POWER_LOSS_TRAP");
    if (path && getpid() == server && unlink(path) == 0) kill(server, SIGKILL);
}

static int log_file(void) {
    static int fd = -1;
    const char *path = getenv("POWER_LOSS_LOG");
    if (fd < 0 && path) fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    return fd;
}

static int synced(int fd, const char *name) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    struct stat before;
    trap();
    int known = fstat(fd, &before) == 0 && S_ISREG(before.st_mode);
    int answer = real(fd);
    if (answer == 0 && known) {
        char line[64];
        int length = snprintf(line, sizeof line, "%llu %lld\n", (unsigned long long)before.st_ino,
                              (long long)before.st_size);
        if (write(log_file(), line, (size_t)length) != length) abort(); /* a gap in the notes would prove nothing */
        errno = 0;
    }
    return answer;
}

int fdatasync(int fd) { return synced(fd, "fdatasync"); }
int fsync(int fd) { return synced(fd, "fsync"); }
