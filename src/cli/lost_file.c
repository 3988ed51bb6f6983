/* One line when a mapped file became shorter while it was read.
 *
 * Weights are read where the file is mapped, so what somebody truncates or a disk loses under a run
 * is no failed read but SIGBUS at some later access: the system's word is "Bus error", which blames
 * the program. The handler says which file it was. It looks the address up in /proc/self/maps, by
 * system calls alone, since nothing else may be called there; where there is no such file (macOS),
 * or the address is in none, the access is repeated and the program dies as it would have.
 *
 * What it does not do: go on. What was read before may be of the old file and what comes next of a
 * new one; checkpoints on the disk are whole, as after a SIGKILL. Start at lost_file__watch. */
#include "cli/lost_file.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/banned.h"

#define LINE_BYTES 4352 /* the numbers of a line, and a path of PATH_MAX */

/* ---- Only what a signal handler may do ------------------------------------------------------- */

static void put(const char *text)
{
    size_t n = strlen(text);
    while (n > 0) {
        ssize_t written = write(STDERR_FILENO, text, n);
        if (written <= 0)
            return;
        text += written;
        n -= (size_t)written;
    }
}

/* A hexadecimal number; *text is moved behind it. */
static uintptr_t take_hex(const char **text)
{
    static const char digits[] = "0123456789abcdef";
    uintptr_t value = 0;
    for (const char *d; **text && (d = strchr(digits, **text)) != NULL; ++*text)
        value = value << 4 | (uintptr_t)(d - digits);
    return value;
}

/* The path in "55d0c000-55d0d000 r--p 00000000 fe:00 1234    /path" when the address is in that
 * range, else NULL. */
static const char *path_at(const char *line, uintptr_t address)
{
    uintptr_t begin = take_hex(&line);
    line += *line == '-';
    uintptr_t end = take_hex(&line);
    return address >= begin && address < end ? strchr(line, '/') : NULL;
}

/* The next line of a file into line [LINE_BYTES]; what is too long is cut. */
static bool read_line(char *line, int fd)
{
    size_t n = 0;
    char c;
    ssize_t got;
    while ((got = read(fd, &c, 1)) == 1 && c != '\n') {
        if (n + 1 < LINE_BYTES)
            line[n++] = c;
    }
    line[n] = '\0';
    return got == 1 || n > 0;
}

/* Ends the program when the address is in a file. */
static void tell(uintptr_t address)
{
    char line[LINE_BYTES];
    const char *path = NULL;
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && !path && read_line(line, fd))
        path = path_at(line, address);
    if (!path)
        return;
    put("error: '");
    put(path);
    put("' was made shorter while it was in use, or its disk failed\n");
    _exit(1);
}

static void on_bus_error(int number, siginfo_t *info, void *context)
{
    static atomic_flag is_taken = ATOMIC_FLAG_INIT;
    (void)context;
    while (atomic_flag_test_and_set(&is_taken)) /* another thread is about to end us all */
        pause();
    if (info->si_code == BUS_ADRERR)
        tell((uintptr_t)info->si_addr);
    signal(number, SIG_DFL); /* returning repeats the access */
    if (info->si_code <= 0)
        raise(number); /* somebody sent it: there is no access */
}

/* ---- The switch ------------------------------------------------------------------------------ */

void lost_file__watch(void)
{
    struct sigaction action;
    if (sigaction(SIGBUS, NULL, &action) != 0 || action.sa_handler != SIG_DFL)
        return;
    memset(&action, 0, sizeof(action));
    action.sa_sigaction = on_bus_error;
    action.sa_flags = SA_SIGINFO;
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, NULL);
}
