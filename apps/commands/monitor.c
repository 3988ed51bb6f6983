/* `efficientai monitor`: load, memory, pressure, heat and energy of this machine, line by line. */
#include <math.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>

#include <efficientai/alloc.h>
#include <efficientai/hardware.h>
#include <efficientai/sampler.h>
#include <efficientai/terminal.h>

#include "catalog.h"

#include "base/banned.h"

typedef struct monitor_args {
    double interval;
    int64_t count;
    const char *path;
    bool json;
} monitor_args;

static const eai_option monitor_options[] = {
    {.name = "interval",
     .key = 'i',
     .type = EAI_OPT_FLOAT,
     .offset = offsetof(monitor_args, interval),
     .default_value = "1",
     .value_name = "SECONDS",
     .min = 0.05,
     .max = 86400,
     .help = "between two lines"},
    {.name = "count",
     .key = 'n',
     .type = EAI_OPT_INT,
     .offset = offsetof(monitor_args, count),
     .default_value = "0",
     .value_name = "N",
     .min = 0,
     .max = 1000000000,
     .help = "end after N lines; 0: until Ctrl-C"},
    {.name = "path",
     .type = EAI_OPT_PATH,
     .offset = offsetof(monitor_args, path),
     .default_value = ".",
     .value_name = "DIR",
     .help = "whose disk's free space is shown"},
    {.name = "json",
     .type = EAI_OPT_FLAG,
     .offset = offsetof(monitor_args, json),
     .help = "one JSON object a line, with all that can be read"},
    {0},
};

static volatile sig_atomic_t stopped;

static void stop(int number)
{
    (void)number;
    stopped = 1;
}

/* One column of the text; absent values are "-". */
typedef struct column {
    const char *title;
    int width;
    eai_metric metric;
    enum { PERCENT, BYTES, NUMBER } form;
} column;

static const column columns[] = {
    {"cpu", 5, EAI_METRIC_CPU_LOAD, PERCENT},
    {"MHz", 5, EAI_METRIC_FREQUENCY, NUMBER},
    {"free", 9, EAI_METRIC_MEMORY_AVAILABLE, BYTES},
    {"swap", 9, EAI_METRIC_SWAP_USED, BYTES},
    {"wait cpu", 8, EAI_METRIC_CPU_SOME, NUMBER},
    {"mem", 5, EAI_METRIC_MEMORY_SOME, NUMBER},
    {"io", 5, EAI_METRIC_IO_SOME, NUMBER},
    {"C", 4, EAI_METRIC_TEMPERATURE, NUMBER},
    {"W", 5, EAI_METRIC_POWER, NUMBER},
    {"gpu", 9, EAI_METRIC_GPU_MEMORY, BYTES},
    {"disk", 9, EAI_METRIC_DISK_FREE, BYTES},
};
#define N_COLUMNS (sizeof(columns) / sizeof(columns[0]))

static void print_titles(FILE *out)
{
    for (size_t i = 0; i < N_COLUMNS; i++)
        fprintf(out, "%s%*s", i ? " " : "", columns[i].width, columns[i].title);
    fputc('\n', out);
}

static void print_line(const eai_sample *s, FILE *out)
{
    for (size_t i = 0; i < N_COLUMNS; i++) {
        const column *c = &columns[i];
        double v = s->value[c->metric];
        char text[32] = "-";
        if (!isnan(v) && c->form == BYTES)
            eai_format_bytes(text, sizeof(text), (uint64_t)v);
        else if (!isnan(v) && c->form == PERCENT)
            snprintf(text, sizeof(text), "%.0f%%", 100 * v);
        else if (!isnan(v))
            snprintf(text, sizeof(text), "%.*f", v < 10 ? 1 : 0, v);
        fprintf(out, "%s%*s", i ? " " : "", c->width, text);
    }
    fputc('\n', out);
}

static eai_status print_json(const eai_sample *s, FILE *out, eai_error *err)
{
    char *text = eai_sample_to_json(s);
    if (!text)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a sample");
    fprintf(out, "%s\n", text);
    eai_free(text);
    return EAI_OK;
}

/* Until `seconds` have passed or Ctrl-C. */
static void pause_for(double seconds)
{
    struct timespec rest = {(time_t)floor(seconds), (long)((seconds - floor(seconds)) * 1e9)};
    while (!stopped && nanosleep(&rest, &rest) != 0)
        continue;
}

static void print_summary(const eai_sample_summary *sum, FILE *out)
{
    char peak[32];
    char duration[32];
    if (sum->n_samples < 2)
        return;
    fprintf(out, "%llu samples, %s", (unsigned long long)sum->n_samples,
            eai_format_duration(duration, sizeof(duration), sum->seconds));
    if (sum->metric[EAI_METRIC_CPU_LOAD].n > 0)
        fprintf(out, ", cpu %.0f%% (up to %.0f%%)", 100 * sum->metric[EAI_METRIC_CPU_LOAD].mean,
                100 * sum->metric[EAI_METRIC_CPU_LOAD].max);
    if (sum->metric[EAI_METRIC_MEMORY_AVAILABLE].n > 0)
        fprintf(out, ", at least %s free",
                eai_format_bytes(peak, sizeof(peak),
                                 (uint64_t)sum->metric[EAI_METRIC_MEMORY_AVAILABLE].min));
    if (sum->metric[EAI_METRIC_TEMPERATURE].n > 0)
        fprintf(out, ", up to %.0f C", sum->metric[EAI_METRIC_TEMPERATURE].max);
    if (sum->metric[EAI_METRIC_ENERGY].n > 0)
        fprintf(out, ", %.1f J", sum->metric[EAI_METRIC_ENERGY].last);
    fputc('\n', out);
}

static eai_status watch(const eai_command_context *ctx, const monitor_args *a, eai_meter *m,
                        eai_error *err)
{
    eai_sample s;
    eai_sample_summary sum = {0};
    eai_meter_read(&s, m); /* loads are differences: there is a line when there is a second one */
    eai_sample_summary_add(&sum, &s);
    if (!a->json)
        print_titles(ctx->out);
    for (int64_t i = 0; a->count == 0 || i < a->count; i++) {
        pause_for(a->interval);
        if (stopped)
            break;
        eai_meter_read(&s, m);
        eai_sample_summary_add(&sum, &s);
        if (a->json)
            EAI_TRY(print_json(&s, ctx->out, err));
        else
            print_line(&s, ctx->out);
        if (fflush(ctx->out) != 0)
            return eai_error_set_errno(err, "cannot write standard output");
    }
    if (!a->json)
        print_summary(&sum, ctx->progress);
    return EAI_OK;
}

static eai_status run(const eai_command_context *ctx, const void *args, eai_error *err)
{
    const monitor_args *a = args;
    const struct sigaction action = {.sa_handler = stop};
    struct sigaction before;
    eai_meter *m = NULL;
    EAI_TRY(eai_meter_create(&m, a->path, err));
    sigaction(SIGINT, &action, &before);
    eai_status st = watch(ctx, a, m, err);
    sigaction(SIGINT, &before, NULL);
    eai_meter_free(m);
    return st;
}

const eai_command command_monitor = {
    .name = "monitor",
    .summary = "load, memory, pressure, heat and energy, line by line",
    .options = monitor_options,
    .args_bytes = sizeof(monitor_args),
    .run = run,
    .help =
        "'-' is a value that cannot be read here: a container sees no temperatures, and energy\n"
        "counters of Linux (/sys/class/powercap) are for root alone unless the machine's owner\n"
        "lets others read them. 'wait' is the share of the last 10 s in which a task waited for\n"
        "a CPU, memory or a disk.",
};
