/* One run of another program: started, timed, watched, its use of the machine read.
 *
 * posix_spawn, not fork: with a copy of our memory, which exec has to take down again, `true` takes
 * 690 us in place of 470. The price is that Linux books the peak of the memory that exec replaces,
 * ours, to the program: smaller peaks are not known.
 *
 * A thread watches it, because the thread that waits for its end must do nothing else: waiting with
 * a timeout would mean polling, and polling rounds times up. The program is the leader of a process
 * group of its own, so that ending it ends what it started too. Start at eai_program_measure. */
#include <efficientai/measure.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __APPLE__
#include <crt_externs.h>
#endif

#include <efficientai/alloc.h>
#include <efficientai/clock.h>

#include "bench/counters.h"
#include "bench/usage.h"

#include "base/io.h"

#include "base/banned.h"

#ifdef __APPLE__
/* There `environ` belongs to the program; a shared library has to ask for it. */
#define environ (*_NSGetEnviron())
#else
extern char **environ; /* POSIX asks programs to declare it */
#endif

#define GRACE_SECONDS 2.0 /* between asking a program to end and making it */
#define LOOK_SECONDS  0.05

/* ---- The watch ------------------------------------------------------------------------------- */

typedef enum ending { ENDING_BY_ITSELF, ENDING_TIMEOUT, ENDING_CANCELLED } ending;

/* What the watching thread and the waiting one share; `lock` guards it. While `pid` is not 0 it has
 * not been waited for, so that its number is nobody else's. */
typedef struct watch {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    const eai_program *program;
    pid_t pid;
    bool ended;
    ending why;
} watch;

/* Waits a while with the lock given up. */
static void pause_watch(watch *w)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += (long)(LOOK_SECONDS * 1e9);
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&w->changed, &w->lock, &until);
}

static ending should_end(const watch *w, double start)
{
    const eai_program *p = w->program;
    if (p->is_cancelled && p->is_cancelled(p->ud))
        return ENDING_CANCELLED;
    return p->timeout > 0 && eai_clock_seconds() - start > p->timeout ? ENDING_TIMEOUT
                                                                      : ENDING_BY_ITSELF;
}

static void *watch_program(void *ud)
{
    watch *w = ud;
    double start = eai_clock_seconds();
    double asked = 0; /* when */
    pthread_mutex_lock(&w->lock);
    while (!w->ended) {
        if (w->pid && w->why == ENDING_BY_ITSELF) {
            w->why = should_end(w, start);
            if (w->why != ENDING_BY_ITSELF) {
                asked = eai_clock_seconds();
                kill(-w->pid, SIGTERM);
            }
        } else if (w->pid && eai_clock_seconds() - asked > GRACE_SECONDS) {
            kill(-w->pid, SIGKILL);
        }
        pause_watch(w);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

/* ---- Starting -------------------------------------------------------------------------------- */

/* Where its output goes; -1: as ours. */
static eai_status open_output(int *fd, const eai_program *p, eai_error *err)
{
    const char *path = p->output ? p->output : "/dev/null";
    *fd = -1;
    if (strcmp(path, "-") == 0)
        return EAI_OK;
    *fd = io__open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    return *fd < 0 ? eai_error_set_errno(err, "cannot write '%s'", path) : EAI_OK;
}

/* A group of its own, no signal ignored or blocked that we ignore or block. */
static int set_attributes(posix_spawnattr_t *a)
{
    const int signals[] = {SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGHUP, SIGXFSZ};
    sigset_t defaults;
    sigset_t none;
    sigemptyset(&none);
    sigemptyset(&defaults);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        sigaddset(&defaults, signals[i]);
    int code = posix_spawnattr_setsigdefault(a, &defaults);
    if (code == 0)
        code = posix_spawnattr_setsigmask(a, &none);
    if (code == 0)
        code = posix_spawnattr_setpgroup(a, 0);
    if (code == 0)
        code = posix_spawnattr_setflags(
            a, (short)(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP));
    return code;
}

/* An errno, 0 when it runs. */
static int spawn(pid_t *pid, const eai_program *p, int output)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    char **words = NULL;
    memcpy(&words, &p->argv, sizeof(words)); /* its type in POSIX lacks a const */
    int code = posix_spawn_file_actions_init(&actions);
    if (code != 0)
        return code;
    code = posix_spawnattr_init(&attributes);
    if (code != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return code;
    }
    code = set_attributes(&attributes);
    if (code == 0)
        code = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (code == 0 && output >= 0)
        code = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    if (code == 0 && output >= 0)
        code = posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
    if (code == 0)
        code = posix_spawnp(pid, p->argv[0], &actions, &attributes, words, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return code;
}

/* ---- Its end --------------------------------------------------------------------------------- */

/* Seconds from the start to the end; the program is left to be waited for. */
static double await_end(pid_t pid, double start)
{
    siginfo_t info;
    while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) != 0 && errno == EINTR) {
    }
    return eai_clock_seconds() - start;
}

/* Starts it and waits; *code is an errno when it could not be started. */
static void run_watched(eai_sample *out, int *code, int *status, struct rusage *used, watch *w,
                        int output)
{
    pid_t pid = 0;
    double start = eai_clock_seconds();
    *code = spawn(&pid, w->program, output);
    if (*code != 0)
        return;
    pthread_mutex_lock(&w->lock);
    w->pid = pid;
    pthread_mutex_unlock(&w->lock);
    out->values[EAI_METRIC_SECONDS] = await_end(pid, start);
    pthread_mutex_lock(&w->lock);
    w->pid = 0;
    pthread_mutex_unlock(&w->lock);
    while (wait4(pid, status, 0, used) < 0) {
        if (errno != EINTR) {
            *code = errno;
            return;
        }
    }
}

static void fill_usage(eai_sample *out, const struct rusage *used, double inherited)
{
    const struct rusage nothing = {0};
    usage__difference(out, &nothing, used, 1);
    if (usage__peak_bytes(used) > inherited)
        out->values[EAI_METRIC_PEAK_BYTES] = usage__peak_bytes(used);
}

static eai_status judge_status(eai_program *p, ending why, int status, eai_error *err)
{
    if (why == ENDING_CANCELLED)
        return eai_error_set(err, EAI_ERR_CANCELLED, "interrupted while '%s' was running",
                             p->argv[0]);
    if (why == ENDING_TIMEOUT)
        return eai_error_set(err, EAI_ERR_LIMIT, "'%s' ran for more than %g s and was ended",
                             p->argv[0], p->timeout);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return EAI_OK;
    p->n_failed++;
    if (p->ignore_failure)
        return EAI_OK;
    if (WIFSIGNALED(status))
        return eai_error_set(err, EAI_ERR_ARGUMENT, "'%s' was ended by signal %d", p->argv[0],
                             WTERMSIG(status));
    return eai_error_set(err, EAI_ERR_ARGUMENT, "'%s' ended with exit status %d", p->argv[0],
                         WEXITSTATUS(status));
}

static eai_status measure_watched(eai_sample *out, eai_program *p, watch *w, int output,
                                  eai_error *err)
{
    pthread_t thread;
    bench_counters counters;
    struct rusage used = {0};
    int status = 0;
    int code = pthread_create(&thread, NULL, watch_program, w);
    if (code != 0)
        return eai_error_set(err, EAI_ERR_NOMEM, "cannot start a thread to watch '%s'", p->argv[0]);
    double inherited = usage__inherited_peak();
    counters__open(&counters);
    run_watched(out, &code, &status, &used, w, output);
    counters__close(out, &counters);
    pthread_mutex_lock(&w->lock);
    w->ended = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
    pthread_join(thread, NULL);
    if (code != 0) {
        errno = code;
        return eai_error_set_errno(err, "cannot start '%s'", p->argv[0]);
    }
    fill_usage(out, &used, inherited);
    return judge_status(p, w->why, status, err);
}

eai_status eai_program_measure(eai_sample *out, void *program, eai_error *err)
{
    eai_program *p = program;
    watch w = {.program = p};
    int output;

    *out = eai_sample_unknown();
    EAI_TRY(open_output(&output, p, err));
    pthread_mutex_init(&w.lock, NULL);
    pthread_cond_init(&w.changed, NULL);
    eai_status st = measure_watched(out, p, &w, output, err);
    pthread_cond_destroy(&w.changed);
    pthread_mutex_destroy(&w.lock);
    if (output >= 0)
        io__close(output);
    return st;
}

/* ---- Words ----------------------------------------------------------------------------------- */

/* Copies one word from *at, without its quotes, behind *to; false: a quote is not closed. */
static bool copy_word(char **to, const char **at)
{
    char quote = '\0';
    for (; **at && (quote || !strchr(" \t\n", **at)); (*at)++) {
        char c = **at;
        if (quote ? c == quote : c == '\'' || c == '"')
            quote = quote ? '\0' : c;
        else if (c == '\\' && quote != '\'' && (*at)[1])
            *(*to)++ = *++*at;
        else
            *(*to)++ = c;
    }
    *(*to)++ = '\0';
    return quote == '\0';
}

eai_status eai_program_split(char ***argv, const char *text, eai_error *err)
{
    size_t length = strlen(text);
    size_t most = length / 2 + 2; /* words and the NULL */
    const char *at = text;
    size_t n = 0;

    *argv = NULL;
    char **block = eai_alloc(most * sizeof(char *) + length + most);
    if (!block)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a command");
    char *to = (char *)(block + most);
    for (at += strspn(at, " \t\n"); *at; at += strspn(at, " \t\n")) {
        block[n++] = to;
        if (!copy_word(&to, &at)) {
            eai_free((void *)block);
            return eai_error_set(err, EAI_ERR_USAGE, "a quote is not closed in '%s'", text);
        }
    }
    block[n] = NULL;
    if (n == 0) {
        eai_free((void *)block);
        return eai_error_set(err, EAI_ERR_USAGE, "'%s' names no program", text);
    }
    *argv = block;
    return EAI_OK;
}
