/* Fuzz target: a line of a list of checksums. One that is read is written as it can be read again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <efficientai/alloc.h>

#include "files/files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_line(const char *hex, const char *name)
{
    char again[EAI_SHA256_HEX_SIZE];
    char *other = NULL;
    eai_strbuf b = EAI_STRBUF_INIT(1 << 20);

    files__print_sum(&b, hex, name);
    if (b.status == EAI_OK) {
        b.data[b.length - 1] = '\0'; /* the end of the line */
        if (strchr(b.data, '\n') || !files__parse_sum(again, &other, b.data) ||
            strcmp(again, hex) != 0 || strcmp(other, name) != 0)
            abort();
    }
    eai_strbuf_deinit(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char hex[EAI_SHA256_HEX_SIZE];
    char *name = NULL;
    char *line = size < 100000 ? eai_alloc(size + 1) : NULL;

    if (!line)
        return 0;
    if (size)
        memcpy(line, data, size);
    line[size] = '\0';
    if (files__parse_sum(hex, &name, line))
        check_line(hex, name);
    eai_free(line);
    return 0;
}
