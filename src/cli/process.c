/* Starting a program and waiting for it. posix_spawn rather than fork: it is safe in a program with
 * threads. No shell: a path with a blank or a quote stays one word. Start at process__run. */
#include "cli/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __APPLE__
#include <crt_externs.h>
#endif

#include <efficientai/alloc.h>
#include <efficientai/log.h>

#include "base/banned.h"

#ifdef __APPLE__
/* There `environ` belongs to the program; a shared library has to ask for it. */
#define environ (*_NSGetEnviron())
#else
extern char **environ; /* POSIX asks programs to declare it */
#endif

/* The environment with one variable replaced: a new array of borrowed texts. NULL on failure. */
static char **environment_with(const char *variable)
{
    size_t n = 0;
    size_t kept = 0;
    while (environ[n])
        n++;
    char **copy = eai_alloc_array(n + 2, sizeof(*copy));
    if (!copy)
        return NULL;
    size_t name = variable ? strcspn(variable, "=") + 1 : 0;
    for (size_t i = 0; i < n; i++) {
        if (!variable || strncmp(environ[i], variable, name) != 0)
            copy[kept++] = environ[i];
    }
    if (variable)
        memcpy(&copy[kept++], &variable, sizeof(variable)); /* exec never writes to it */
    copy[kept] = NULL;
    return copy;
}

static int exit_code_of(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static eai_status wait_for(int *exit_code, pid_t pid, const process_opts *opts, eai_error *err)
{
    const struct timespec pause = {0, 100 * 1000 * 1000};
    int status = 0;
    for (;;) {
        pid_t got = waitpid(pid, &status, opts->tick ? WNOHANG : 0);
        if (got == pid)
            break;
        if (got < 0 && errno != EINTR)
            return eai_error_set_errno(err, "cannot wait for a program");
        if (got == 0 && opts->tick) {
            opts->tick(opts->ud);
            nanosleep(&pause, NULL);
        }
    }
    *exit_code = exit_code_of(status);
    return EAI_OK;
}

/* "python3 -m pip download ..." as one line, as far as it fits. */
static void log_command(const char *const *argv)
{
    char line[EAI_LOG_MESSAGE_MAX];
    size_t n = 0;
    if (!eai_log_takes(EAI_LOG_INFO))
        return;
    for (size_t i = 0; argv[i] && n < sizeof(line); i++)
        n += (size_t)snprintf(line + n, sizeof(line) - n, "%s%s", i ? " " : "", argv[i]);
    EAI_LOG(INFO, "process", "starting: %s", line);
}

eai_status process__run(int *exit_code, const char *const *argv, const process_opts *opts,
                        eai_error *err)
{
    eai_status st = EAI_OK;
    posix_spawn_file_actions_t actions;
    const char *log = opts->log_path ? opts->log_path : "/dev/null";
    char **env = NULL;
    char **words = NULL;
    pid_t pid;
    int code;

    *exit_code = -1;
    log_command(argv);
    code = posix_spawn_file_actions_init(&actions);
    if (code != 0)
        return eai_error_set(err, EAI_ERR_NOMEM, "cannot start '%s': no memory", argv[0]);
    env = environment_with(opts->set_variable);
    if (!env) {
        st = eai_error_set(err, EAI_ERR_NOMEM, "cannot start '%s': no memory", argv[0]);
        goto done;
    }
    code = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (code == 0)
        code = posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log,
                                                O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (code == 0)
        code = posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
    if (code == 0) {
        memcpy(&words, &argv, sizeof(argv)); /* its type in POSIX lacks a const */
        code = posix_spawnp(&pid, argv[0], &actions, NULL, words, env);
    }
    if (code != 0) {
        errno = code;
        st = eai_error_set_errno(err, "cannot start '%s'", argv[0]);
        goto done;
    }
    st = wait_for(exit_code, pid, opts, err);
    if (st == EAI_OK)
        EAI_LOG(INFO, "process", "%s ended with status %d", argv[0], *exit_code);
done:
    eai_free((void *)env);
    posix_spawn_file_actions_destroy(&actions);
    return st;
}
