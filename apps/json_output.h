/* `--json` of a command that reports: the option, and the one line that it prints. */
#ifndef EAI_APPS_JSON_OUTPUT_H
#define EAI_APPS_JSON_OUTPUT_H

#include <stdio.h>

#include <jansson.h>

#include <efficientai/options.h>

/* The row, for an arguments struct with a field `json`. */
#define JSON_OPTION(args_type)                                                                     \
    {                                                                                              \
        .name = "json", .type = EAI_OPT_FLAG, .offset = offsetof(args_type, json),                 \
        .help = "one JSON object on one line"                                                      \
    }

/* Prints the value on one line and releases it; NULL (it could not be made) is EAI_ERR_NOMEM. */
EAI_CHECKED eai_status json_output(json_t *value, FILE *out, eai_error *err);

#endif
