/* See json_output.h. */
#include "json_output.h"

#include <stdlib.h>

#include "base/banned.h"

eai_status json_output(json_t *value, FILE *out, eai_error *err)
{
    char *text =
        value ? json_dumps(value, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(15))
              : NULL;

    if (text)
        fprintf(out, "%s\n", text);
    json_decref(value);
    free(text); /* jansson's own memory */
    return text ? EAI_OK : eai_error_set(err, EAI_ERR_NOMEM, "no memory for the report");
}
