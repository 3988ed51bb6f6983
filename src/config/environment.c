/* The table of environment variables; its rows are in environment.def. */
#include <efficientai/environment.h>

#include "base/banned.h"

#define EAI_VARIABLE(name, value, group, help) {name, value, group, help},
static const eai_variable variables[] = {
#include "config/environment.def"
};
#undef EAI_VARIABLE

const eai_variable *eai_variable_at(size_t i)
{
    return i < sizeof(variables) / sizeof(variables[0]) ? &variables[i] : NULL;
}
