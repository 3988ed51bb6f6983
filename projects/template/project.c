/* template: a project to begin from. This file is its descriptor: what it is called and which
 * commands it has. Each command has a file of its own; commands.h lists them. */
#include "commands.h"

static const eai_command commands[] = {
    {"greet", "say hello, politely or often", greet_options, sizeof(greet_args), cmd_greet,
     "[NAME]", "What stands here is shown behind the options of --help: what a reader must know."},
    {0},
};

EAI_DEFINE_PROJECT(.name = "template", .version = "0.1.0",
                   .summary = "one line that says what the project is for", .commands = commands);
