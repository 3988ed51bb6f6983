/* Runs another program and waits for it, without a shell in between.
 *
 *     const char *const argv[] = {"python3", "-m", "pip", "--version", NULL};
 *     process_opts opts = {.log_path = "pip.log"};
 *     int code;
 *     EAI_TRY(process__run(&code, argv, &opts, err));
 */
#ifndef EAI_CLI_PROCESS_H
#define EAI_CLI_PROCESS_H

#include <efficientai/error.h>

typedef struct process_opts {
    const char *log_path;     /* output and errors go to this file, made anew; NULL: thrown away */
    const char *set_variable; /* "NAME=value", put into its environment; NULL: none */
    void (*tick)(void *ud);   /* called about ten times a second while it runs; NULL: none */
    void *ud;
} process_opts;

/* Looks argv[0] up on PATH and runs it with an empty standard input. *exit_code is its exit status,
 * 128 + the signal's number when one ended it. Fails when it cannot be started. */
EAI_CHECKED eai_status process__run(int *exit_code, const char *const *argv,
                                    const process_opts *opts, eai_error *err);

#endif
