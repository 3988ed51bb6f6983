/* Fuzz target: a chat template of anybody's, over fixed variables and small limits. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <efficientai/alloc.h>

#include "../src/formats/jinja.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_SIZE 1024

static const char variables_text[] =
    "{\"messages\": [{\"role\": \"system\", \"content\": \"Be \\u00e9 brief.\"},"
    " {\"role\": \"user\", \"content\": \" a b \\n\"}, {\"role\": \"assistant\", \"content\": "
    "\"\"}],"
    " \"tools\": [{\"name\": \"f\", \"x\": [1, 2.5, null, true]}], \"n\": 7, "
    "\"add_generation_prompt\": true}";

/* A refusal has a code and a message that names the line. */
static void check_refusal(eai_status st, const eai_error *err)
{
    if (st == EAI_ERR_INTERNAL || err->code != st)
        abort();
    if (strncmp(err->message, "line ", 5) != 0 && st != EAI_ERR_LIMIT)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const jinja_limits limits = {
        .steps = 4000, .memory_bytes = (size_t)1 << 18, .output_bytes = (size_t)1 << 14};
    static json_t *variables;
    eai_error err = EAI_ERROR_INIT;
    jinja_template *t = NULL;
    char *text = NULL;
    size_t n = 0;

    if (size > MAX_SIZE)
        return -1; /* longer ones take their time and show nothing new */
    if (!variables)
        variables = json_loads(variables_text, 0, NULL);
    eai_status st = jinja__template_parse(&t, (const char *)data, size, &err);
    if (st != EAI_OK) {
        check_refusal(st, &err);
        return 0;
    }
    st = jinja__render(&text, &n, t, variables, &limits, &err);
    if (st != EAI_OK)
        check_refusal(st, &err);
    else if (n > limits.output_bytes || text[n] != '\0')
        abort();
    eai_free(text);
    jinja__template_free(t);
    return 0;
}
