/* What the files of this layer share: whole files and folders as units.
 *
 * tree.c: copy, move, find · names.c: safe file names · checksums.c: SHA256SUMS · backup.c:
 * numbered backups · lock.c: locks between processes · unpack_names.c, unpack.c: archives. */
#ifndef EAI_FILES_FILES_H
#define EAI_FILES_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <efficientai/error.h>
#include <efficientai/fs.h>

#include "base/strbuf.h"

/* ---- tree.c ---- */

/* A regular file in place of `to`, with the permissions of `from`. */
EAI_CHECKED eai_status files__copy_file(const char *from, const char *to, eai_error *err);

/* "folder" and "name" of a path, each new memory ("." for a path without '/'). */
EAI_CHECKED eai_status files__split(char **folder, char **name, const char *path, eai_error *err);

/* Removes what was begun and is given up for another error, which is the one to tell. NULL is fine.
 */
void files__discard(const char *temporary);

/* ---- checksums.c ---- */

/* "HEX  name", as sha256sum writes it. */
void files__print_sum(eai_strbuf *b, const char *hex, const char *name);

/* Takes a line without its end apart, in place: *name points into it. False when it is none. */
bool files__parse_sum(char hex[EAI_SHA256_HEX_SIZE], char **name, char *line);

#endif
