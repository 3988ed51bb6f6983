/* The commands: for each the struct that its options fill, the table of options, and the function.
 */
#ifndef TEMPLATE_COMMANDS_H
#define TEMPLATE_COMMANDS_H

#include <efficientai/project.h>

typedef struct greet_args {
    const char *greeting;
    int64_t times;
    bool json;
} greet_args;

extern const eai_option greet_options[];
eai_status cmd_greet(const eai_command_context *ctx, const void *args, eai_error *err);

#endif
