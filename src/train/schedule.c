/* Learning-rate schedules, made from EAI_SCHEDULE_TABLE. */
#include <math.h>
#include <string.h>

#include <efficientai/trainer.h>

static const char *const names[] = {
#define NAME(name, text) #name,
    EAI_SCHEDULE_TABLE(NAME)
#undef NAME
};

bool eai_schedule_from_name(eai_schedule *out, const char *name)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (strcmp(names[i], name) == 0) {
            *out = (eai_schedule)i;
            return true;
        }
    }
    return false;
}

const char *eai_schedule_name(eai_schedule s)
{
    return names[s];
}

double eai_schedule_factor(eai_schedule s, int64_t step, int64_t warmup, int64_t total)
{
    int64_t done = step - 1;
    if (done < warmup)
        return (double)done / (double)warmup;
    double x = total > warmup ? (double)(done - warmup) / (double)(total - warmup) : 0;
    if (x > 1)
        x = 1;
    switch (s) {
    case EAI_SCHEDULE_linear:
        return 1 - x;
    case EAI_SCHEDULE_cosine:
        return (1 + cos(3.14159265358979323846 * x)) / 2;
    case EAI_SCHEDULE_polynomial:
        return (1 - x) * (1 - x);
    case EAI_SCHEDULE_constant:
        break;
    }
    return 1;
}
