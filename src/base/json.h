/* JSON files, through jansson: read whole, bounded, duplicate keys refused, errors with file and
 * line. */
#ifndef EAI_BASE_JSON_H
#define EAI_BASE_JSON_H

#include <stddef.h>

#include <jansson.h>

#include <efficientai/error.h>

/* Reads one JSON value from a file of at most `limit` bytes. *out is the caller's (json_decref). */
EAI_CHECKED eai_status eai_json_load(json_t **out, const char *path, size_t limit, eai_error *err);

/* The same with every number read as a real: integers beyond 64 bits are no error then. */
EAI_CHECKED eai_status eai_json_load_reals(json_t **out, const char *path, size_t limit,
                                           eai_error *err);

/* As eai_json_load, from n bytes; `label` stands for the path in messages. */
EAI_CHECKED eai_status eai_json_parse(json_t **out, const char *text, size_t n, const char *label,
                                      eai_error *err);

#endif
