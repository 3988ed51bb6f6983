/* Machines that were recorded, replayed: facts, readings two seconds apart, what is absent; a Mac's
 * answers; counters that wrap or go back; summaries; the sampler's thread. */
#include "support/eai_test.h"

#include <stdlib.h>
#include <unistd.h>

#include <jansson.h>

#include <efficientai/alloc.h>
#include <efficientai/log.h>
#include <efficientai/sampler.h>

#include "machine/apple.h"
#include "machine/files.h"
#include "machine/machine.h"
#include "support/machine_tree.h"

static char *folder;

static int make_folder(void **state)
{
    (void)state;
    folder = eai_test_make_folder();
    return folder ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    eai_test_remove_folder(folder);
    return 0;
}

/* A clock that goes two seconds a reading. */
static double step_clock(const machine_reader *self)
{
    (void)self;
    static double now = 1000;
    now += 2;
    return now;
}

static eai_meter *meter_of_tree(void)
{
    machine_reader reader = machine__recorded_reader(folder);
    eai_error err = EAI_ERROR_INIT;
    eai_meter *m = NULL;
    reader.clock = step_clock;
    assert_ok(machine__meter_create(&m, &reader, NULL, &err), &err);
    return m;
}

/* Two samples of a recorded machine, two seconds apart. */
static void replay(eai_sample *first, eai_sample *second, const char *name)
{
    eai_meter *m = meter_of_tree();
    machine_tree_put(folder, name, false);
    eai_meter_read(first, m);
    machine_tree_put(folder, name, true);
    eai_meter_read(second, m);
    eai_meter_free(m);
    assert_true(first->elapsed == 0);
    assert_true(second->elapsed == 2);
}

typedef struct expected {
    eai_metric metric;
    double value;
} expected;

/* These values are there, to a millionth, and no others are. */
static void assert_values(const eai_sample *s, const expected *rows, size_t n)
{
    double wanted[EAI_METRIC_COUNT];
    for (int i = 0; i < EAI_METRIC_COUNT; i++)
        wanted[i] = (double)NAN;
    for (size_t i = 0; i < n; i++)
        wanted[rows[i].metric] = rows[i].value;
    for (int i = 0; i < EAI_METRIC_COUNT; i++) {
        bool same = isnan(wanted[i]) ? isnan(s->value[i])
                                     : fabs(s->value[i] - wanted[i]) <= 1e-6 * fabs(wanted[i]);
        if (!same)
            fail_msg("%s is %.9g, not %.9g", eai_metric_get((eai_metric)i)->name, s->value[i],
                     wanted[i]);
    }
}
#define ASSERT_VALUES(sample, rows) assert_values(sample, rows, sizeof(rows) / sizeof(rows[0]))

/* ---- Recorded machines ----------------------------------------------------------------------- */

static void an_intel_laptop(void **state)
{
    eai_sample first;
    eai_sample second;
    const double page = (double)sysconf(_SC_PAGESIZE);
    (void)state;
    replay(&first, &second, "intel_laptop");
    assert_true(isnan(first.value[EAI_METRIC_CPU_LOAD]));
    assert_true(isnan(first.value[EAI_METRIC_POWER]));
    assert_true(isnan(first.value[EAI_METRIC_SWAP_IN]));
    assert_true(first.value[EAI_METRIC_ENERGY] == 0);
    assert_true(first.value[EAI_METRIC_THROTTLES] == 0);
    assert_int_equal(first.n_cores, 0);
    const expected rows[] = {
        {EAI_METRIC_CPU_LOAD, 440.0 / 840},
        {EAI_METRIC_PROCESS_LOAD, 300.0 / (double)sysconf(_SC_CLK_TCK) / 2},
        {EAI_METRIC_LOAD_AVERAGE, 1.25},
        {EAI_METRIC_FREQUENCY, 1800},
        {EAI_METRIC_FREQUENCY_MAX, 2400},
        {EAI_METRIC_MEMORY_TOTAL, 8000000.0 * 1024},
        {EAI_METRIC_MEMORY_AVAILABLE, 3000000.0 * 1024},
        {EAI_METRIC_PROCESS_MEMORY, 512000.0 * 1024},
        {EAI_METRIC_SWAP_TOTAL, 2000000.0 * 1024},
        {EAI_METRIC_SWAP_USED, 500000.0 * 1024},
        {EAI_METRIC_SWAP_IN, 10 * page / 2},
        {EAI_METRIC_SWAP_OUT, 0},
        {EAI_METRIC_CPU_SOME, 12.5},
        {EAI_METRIC_MEMORY_SOME, 1.25},
        {EAI_METRIC_MEMORY_FULL, 0.75},
        {EAI_METRIC_IO_SOME, 4},
        {EAI_METRIC_IO_FULL, 2},
        {EAI_METRIC_TEMPERATURE, 71},
        {EAI_METRIC_THROTTLES, 7},
        {EAI_METRIC_ENERGY, 30}, /* the counter went round: 328850 uJ and 29671150 */
        {EAI_METRIC_POWER, 15},
        {EAI_METRIC_MEMORY_ENERGY, 3},
        {EAI_METRIC_BATTERY, 83},
        {EAI_METRIC_BATTERY_POWER, 18},
    };
    ASSERT_VALUES(&second, rows);
    assert_int_equal(second.n_cores, 4);
    assert_true(second.core_load[0] == 1 && second.core_load[1] == 0);
    assert_true(isnan(second.core_load[2])); /* switched off meanwhile */
    assert_true(second.core_load[3] == 0.25F);
    assert_int_equal(second.n_temperatures, 4);
    assert_string_equal(second.temperature[1].label, "coretemp Package id 0");
    assert_string_equal(second.temperature[3].label, "x86_pkg_temp zone");
    assert_true(second.temperature[0].celsius == 40);
}

static void an_amd_server(void **state)
{
    eai_sample first;
    eai_sample second;
    (void)state;
    replay(&first, &second, "amd_server");
    const expected rows[] = {
        {EAI_METRIC_MEMORY_TOTAL, 263000000.0 * 1024},
        {EAI_METRIC_MEMORY_AVAILABLE, 200000000.0 * 1024},
        {EAI_METRIC_SWAP_TOTAL, 0},
        {EAI_METRIC_SWAP_USED, 0},
        {EAI_METRIC_TEMPERATURE, 61}, /* the GPU's is higher, and is not the processor's */
        {EAI_METRIC_ENERGY, 150},
        {EAI_METRIC_POWER, 75},
        {EAI_METRIC_GPU_LOAD, 0.97},
        {EAI_METRIC_GPU_MEMORY, 6000000000},
        {EAI_METRIC_GPU_MEMORY_TOTAL, 17163091968},
        {EAI_METRIC_GPU_POWER, 150},
    };
    ASSERT_VALUES(&second, rows); /* no tick has passed: no load */
    assert_int_equal(second.n_cores, 3);
    assert_true(isnan(second.core_load[1]));
    assert_true(isnan(second.core_load[2])); /* its counter went back */
}

static void a_container(void **state)
{
    eai_sample first;
    eai_sample second;
    (void)state;
    replay(&first, &second, "container");
    const expected rows[] = {
        {EAI_METRIC_MEMORY_TOTAL, 32000000.0 * 1024},
        {EAI_METRIC_MEMORY_AVAILABLE, 20000000.0 * 1024},
        {EAI_METRIC_CPU_SOME, 90},
        {EAI_METRIC_GROUP_CPU_SOME, 50.25},
        {EAI_METRIC_GROUP_MEMORY_SOME, 7},
        {EAI_METRIC_GROUP_MEMORY_FULL, 6},
        {EAI_METRIC_GROUP_IO_SOME, 3},
        {EAI_METRIC_GROUP_IO_FULL, 2},
        {EAI_METRIC_GROUP_MEMORY, 1500000000},
        {EAI_METRIC_GROUP_MEMORY_LIMIT, 4294967296},
        {EAI_METRIC_GROUP_THROTTLED, 0.75},
    };
    ASSERT_VALUES(&second, rows);
    assert_int_equal(second.n_temperatures, 0);
}

static void an_arm_board(void **state)
{
    eai_sample first;
    eai_sample second;
    (void)state;
    replay(&first, &second, "arm_board");
    const expected rows[] = {
        {EAI_METRIC_FREQUENCY, 1800},
        {EAI_METRIC_FREQUENCY_MAX, 1800},
        {EAI_METRIC_MEMORY_TOTAL, 3884000.0 * 1024},
        {EAI_METRIC_MEMORY_AVAILABLE, 3000000.0 * 1024},
        {EAI_METRIC_SWAP_TOTAL, 102396.0 * 1024},
        {EAI_METRIC_SWAP_USED, 0},
        {EAI_METRIC_TEMPERATURE, 48.686},
    };
    ASSERT_VALUES(&second, rows);
    assert_int_equal(second.n_temperatures, 1);
}

static void nothing_at_all(void **state)
{
    eai_sample s;
    eai_meter *m = meter_of_tree();
    (void)state;
    eai_meter_read(&s, m);
    assert_values(&s, NULL, 0);
    eai_meter_read(&s, m);
    assert_values(&s, NULL, 0);
    assert_int_equal(s.n_cores, 0);
    char *text = eai_sample_to_json(&s);
    assert_non_null(text);
    assert_non_null(strstr(text, ",\"elapsed\":2}"));
    eai_free(text);
    eai_meter_free(m);
}

#if !defined(__APPLE__)
static void facts_of_recorded_machines(void **state)
{
    eai_hardware h = {.cpu = "the one that runs this test"};
    (void)state;
    machine_tree_put(folder, "intel_laptop", false);
    machine__detect_system(&h, folder);
    assert_string_equal(h.cpu, "Intel(R) Core(TM) i5-6200U CPU @ 2.30GHz");
    assert_string_equal(h.distribution, "Debian GNU/Linux 12 (bookworm)");
    assert_string_equal(h.kernel, "6.1.0-18-amd64");
    assert_string_equal(h.model, "20FN0000GE");
    assert_string_equal(h.virtualization, "");
    assert_string_equal(h.transparent_hugepages, "madvise");
    assert_int_equal(h.machine_cores, 4);
    assert_int_equal(h.physical_cores, 2);
    assert_int_equal(h.sockets, 1);
    assert_int_equal(h.numa_nodes, 1);
    assert_true(h.max_mhz == 2800);
    assert_int_equal(h.l1d_bytes, 32 << 10);
    assert_int_equal(h.l2_bytes, 256 << 10);
    assert_int_equal(h.l3_bytes, 3 << 20);
    assert_int_equal(h.swap_bytes, 2048000000);
    assert_int_equal(h.hugepages, 4);
    assert_int_equal(h.hugepage_bytes, 2 << 20);
    assert_true(h.cpu_quota == 0);
    assert_int_equal(machine__memory_available(folder), 3072000000);
}

static void facts_of_others(void **state)
{
    eai_hardware h = {0};
    (void)state;
    machine_tree_put(folder, "container", false);
    machine__detect_system(&h, folder);
    assert_string_equal(h.virtualization, "docker");
    assert_true(h.cpu_quota == 1.5);
    assert_int_equal(h.memory_limit_bytes, 4294967296);
    assert_int_equal(machine__memory_available(folder), 4294967296 - 1000000000);
    assert_int_equal(unlink(eai_test_path(folder, ".dockerenv")), 0);
    h = (eai_hardware){0};
    machine__detect_system(&h, folder);
    assert_string_equal(h.virtualization, "kvm");
    machine_tree_put(folder, "amd_server", false);
    h = (eai_hardware){0};
    machine__detect_system(&h, folder);
    assert_int_equal(h.machine_cores, 3);
    assert_int_equal(h.sockets, 2);
    assert_int_equal(h.physical_cores, 3);
    assert_int_equal(h.numa_nodes, 2);
    machine_tree_put(folder, "arm_board", false);
    h = (eai_hardware){0};
    machine__detect_system(&h, folder);
    assert_string_equal(h.model, "Raspberry Pi 4 Model B Rev 1.4");
    assert_string_equal(h.cpu, "");
}
#endif

/* ---- A Mac ----------------------------------------------------------------------------------- */

/* What an M2 with 8 GB answers while it trains. */
static apple_state m2_state(void)
{
    apple_state s = {.free_pages = 5000,
                     .inactive_pages = 120000,
                     .purgeable_pages = 1000,
                     .compressor_pages = 60000,
                     .swapped_in_pages = 100,
                     .swapped_out_pages = 300,
                     .page_bytes = 16384,
                     .memory_bytes = 8589934592,
                     .swap_total = 2147483648,
                     .swap_used = 1073741824,
                     .pressure_level = 2,
                     .thermal_level = 1,
                     .load_average = 3.5,
                     .process_seconds = 10,
                     .process_memory = 900000000,
                     .gpu_memory = 1500000000,
                     .gpu_percent = 88,
                     .n_cpus = 2};
    s.cpu[0].user = UINT32_MAX - 99;
    s.cpu[0].idle = 1000;
    s.cpu[1].system = 500;
    s.cpu[1].idle = UINT32_MAX;
    return s;
}

static void read_apple(machine_reading *out, const machine_reader *self)
{
    apple__read(out, self->ud);
}

static void a_mac(void **state)
{
    apple_state s = m2_state();
    const machine_reader reader = {.read = read_apple, .clock = step_clock, .ud = &s};
    eai_error err = EAI_ERROR_INIT;
    eai_meter *m = NULL;
    eai_sample first;
    eai_sample second;
    (void)state;
    assert_ok(machine__meter_create(&m, &reader, NULL, &err), &err);
    eai_meter_read(&first, m);
    s.cpu[0].user = 50; /* 150 ticks on: the counter went round */
    s.cpu[0].idle = 1050;
    s.cpu[1].idle = 199; /* 200 */
    s.process_seconds = 13;
    s.swapped_out_pages = 302;
    eai_meter_read(&second, m);
    const expected rows[] = {
        {EAI_METRIC_CPU_LOAD, 150.0 / 400},
        {EAI_METRIC_PROCESS_LOAD, 1.5},
        {EAI_METRIC_LOAD_AVERAGE, 3.5},
        {EAI_METRIC_MEMORY_TOTAL, 8589934592},
        {EAI_METRIC_MEMORY_AVAILABLE, 126000.0 * 16384},
        {EAI_METRIC_MEMORY_COMPRESSED, 60000.0 * 16384},
        {EAI_METRIC_MEMORY_LEVEL, 2},
        {EAI_METRIC_PROCESS_MEMORY, 900000000},
        {EAI_METRIC_SWAP_TOTAL, 2147483648},
        {EAI_METRIC_SWAP_USED, 1073741824},
        {EAI_METRIC_SWAP_IN, 0},
        {EAI_METRIC_SWAP_OUT, 16384},
        {EAI_METRIC_THERMAL_STATE, EAI_THERMAL_FAIR},
        {EAI_METRIC_GPU_LOAD, 0.88},
        {EAI_METRIC_GPU_MEMORY, 1500000000},
    };
    ASSERT_VALUES(&second, rows);
    assert_true(second.core_load[0] == 0.75F && second.core_load[1] == 0);
    eai_meter_free(m);
}

/* A system that answers nothing: the state that macos.c starts from. */
static void a_silent_mac(void **state)
{
    const apple_state s = apple__silence;
    machine_reading r;
    (void)state;
    apple__read(&r, &s);
    for (int i = 0; i < EAI_METRIC_COUNT; i++)
        assert_true(isnan(r.value[i]));
    assert_true(r.tick_mask == 0);
    assert_int_equal(apple__memory_available(&s), 0);
    assert_int_equal(apple__thermal(-1), EAI_THERMAL_UNKNOWN);
    assert_int_equal(apple__thermal(5), EAI_THERMAL_UNKNOWN);
    assert_int_equal(apple__thermal(3), EAI_THERMAL_CRITICAL);
}

static void facts_of_a_mac(void **state)
{
    apple_facts f = {.brand = "Apple M2",
                     .model = "Mac14,2",
                     .version = "14.5",
                     .memory = 8589934592,
                     .page = 16384,
                     .active_cpus = 8,
                     .physical_cpus = 8,
                     .packages = 1,
                     .performance_cores = 4,
                     .efficiency_cores = 4,
                     .l1d = {131072, 65536},
                     .l2 = {16777216, 4194304},
                     .arm64 = true};
    eai_hardware h = {0};
    (void)state;
    apple__detect(&h, &f);
    assert_string_equal(h.cpu, "Apple M2");
    assert_string_equal(h.distribution, "macOS 14.5");
    assert_int_equal(h.performance_cores, 4);
    assert_int_equal(h.efficiency_cores, 4);
    assert_int_equal(h.l1d_bytes, 131072);
    assert_int_equal(h.l2_bytes, 16777216);
    assert_true(h.apple_silicon);
    f.l2[0] = 0;
    f.vmm_present = 1;
    apple__detect(&h, &f);
    assert_int_equal(h.l1d_bytes, 65536);
    assert_string_equal(h.virtualization, "a hypervisor");
}

/* ---- Counters -------------------------------------------------------------------------------- */

static void read_given(machine_reading *out, const machine_reader *self)
{
    memcpy(out, self->ud, sizeof(*out));
}

/* What appears, disappears, goes back or goes round. */
static void counters_that_misbehave(void **state)
{
    machine_reading r;
    const machine_reader reader = {.read = read_given, .clock = step_clock, .ud = &r};
    eai_meter *m = NULL;
    eai_sample s;
    (void)state;
    assert_int_equal(machine__meter_create(&m, &reader, NULL, NULL), EAI_OK);
    machine__clear(&r);
    r.value[EAI_METRIC_SWAP_IN] = 1000;
    eai_meter_read(&s, m);
    r.value[EAI_METRIC_SWAP_IN] = 500; /* back */
    r.value[EAI_METRIC_THROTTLES] = 7; /* appears */
    r.n_domains = 1;
    r.domain[0] = (machine_energy){false, 1000000, 5000000};
    eai_meter_read(&s, m);
    assert_true(s.value[EAI_METRIC_SWAP_IN] == 0);
    assert_true(s.value[EAI_METRIC_THROTTLES] == 0);
    assert_true(s.value[EAI_METRIC_ENERGY] == 0);
    assert_true(isnan(s.value[EAI_METRIC_POWER]));
    r.value[EAI_METRIC_SWAP_IN] = (double)NAN;
    r.value[EAI_METRIC_THROTTLES] = 9;
    r.domain[0].microjoules = 500000; /* round: 4 J and half a J */
    eai_meter_read(&s, m);
    assert_true(isnan(s.value[EAI_METRIC_SWAP_IN]));
    assert_true(s.value[EAI_METRIC_THROTTLES] == 2);
    assert_true(s.value[EAI_METRIC_ENERGY] == 4.5);
    assert_true(s.value[EAI_METRIC_POWER] == 2.25);
    r.value[EAI_METRIC_THROTTLES] = 1;                /* back */
    r.domain[0] = (machine_energy){false, 400000, 0}; /* back, and of unknown range */
    eai_meter_read(&s, m);
    assert_true(s.value[EAI_METRIC_THROTTLES] == 2);
    assert_true(s.value[EAI_METRIC_ENERGY] == 4.5);
    r.n_domains = 0; /* no longer readable: what was used so far stays said */
    eai_meter_read(&s, m);
    assert_true(s.value[EAI_METRIC_ENERGY] == 4.5);
    assert_true(isnan(s.value[EAI_METRIC_POWER]));
    eai_meter_free(m);
}

static void files_that_are_odd(void **state)
{
    char text[8];
    int64_t n = 5;
    int numbers[4];
    (void)state;
    static const struct {
        const char *text;
        int64_t n; /* -1: none */
    } rows[] = {{"12\n", 12},
                {" 12 kB\n", 12},
                {"12x\n", -1},
                {"", -1},
                {"\n", -1},
                {"x", -1},
                {"99999999999999999999\n", -1},
                {"max\n", -1},
                {"0x10\n", -1}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        FILE *f = fopen(eai_test_path(folder, "n"), "w");
        fputs(rows[i].text, f);
        fclose(f);
        bool there = machine__read_number(&n, folder, "/%s", "n");
        assert_int_equal(there, rows[i].n >= 0);
        if (there)
            assert_int_equal(n, rows[i].n);
    }
    assert_false(machine__read_text(text, sizeof(text), folder, "/none"));
    assert_string_equal(text, "");
    static const char *const names[] = {"cpu10", "cpu2",           "cpufreq", "cpu3x",
                                        "cpu",   "cpu99999999999", "cpu0"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        fclose(fopen(eai_test_path(folder, names[i]), "w"));
    assert_int_equal(machine__list_numbers(numbers, 4, folder, "", "cpu"), 3);
    assert_true(numbers[0] == 0 && numbers[1] == 2 && numbers[2] == 10);
    assert_int_equal(machine__list_numbers(numbers, 2, folder, "", "cpu"), 2);
    assert_int_equal(machine__count_list("0-3,8"), 5);
    assert_int_equal(machine__count_list("0"), 1);
    assert_int_equal(machine__count_list("3-1"), 0);
    assert_int_equal(machine__count_list("0-"), 0);
    assert_int_equal(machine__count_list("a"), 0);
    assert_int_equal(machine__count_list("0-999999999"), 0);
    assert_int_equal(machine__count_list(""), 0);
}

/* ---- Summaries, and the thread --------------------------------------------------------------- */

static void summaries(void **state)
{
    eai_sample_summary sum = {0};
    eai_sample s;
    (void)state;
    for (int i = 0; i < 4; i++) {
        for (int m = 0; m < EAI_METRIC_COUNT; m++)
            s.value[m] = (double)NAN;
        s.elapsed = i;
        s.value[EAI_METRIC_ENERGY] = 10 * i;
        s.value[EAI_METRIC_MEMORY_TOTAL] = 1e9;
        if (i > 0)
            s.value[EAI_METRIC_CPU_LOAD] = i == 2 ? 0.9 : 0.3;
        eai_sample_summary_add(&sum, &s);
    }
    char *text = eai_sample_summary_to_json(&sum);
    assert_string_equal(text, "{\"samples\":4,\"seconds\":3,\"cpu_load\":{\"mean\":0.5,\"min\":0.3,"
                              "\"max\":0.9},\"memory_total\":1000000000,\"cpu_energy\":30}");
    eai_free(text);
}

static int n_taken;

static void count_sample(void *ud, const eai_sample *s)
{
    assert_ptr_equal(ud, &n_taken);
    assert_true(s->time > 1.6e9);
    n_taken++;
}

static void a_sampler(void **state)
{
    eai_sampler *s = NULL;
    eai_error err = EAI_ERROR_INIT;
    eai_sample samples[8];
    char *text = NULL;
    size_t n_text;
    (void)state;
    FILE *out = open_memstream(&text, &n_text);
    eai_log_to_stream(out, EAI_LOG_JSON);
    eai_log_set_level(EAI_LOG_INFO);
    assert_ok(eai_sampler_start(&s,
                                &(eai_sampler_opts){.period = 0.01,
                                                    .n_kept = 4,
                                                    .path = folder,
                                                    .take = count_sample,
                                                    .ud = &n_taken,
                                                    .log = true},
                                &err),
              &err);
    for (int i = 0; i < 2000 && eai_sampler_read(samples, 8, s) < 4; i++)
        usleep(5000);
    eai_sampler_stop(s);
    eai_sampler_stop(s);
    eai_log_set_sink(NULL, NULL);
    fclose(out);
    assert_true(n_taken >= 5); /* the last one is taken when it stops */
    assert_int_equal(eai_sampler_read(samples, 8, s), 4);
    for (int i = 1; i < 4; i++)
        assert_true(samples[i].elapsed > samples[i - 1].elapsed);
    assert_int_equal(eai_sampler_read(samples, 1, s), 1);
    assert_true(samples[0].elapsed >= samples[3].elapsed);
    assert_true(n_taken <= samples[0].elapsed / 0.01 + 3); /* it sleeps between them */
    assert_true(samples[0].value[EAI_METRIC_DISK_FREE] > 0);
    assert_non_null(strstr(text, "\"module\":\"hardware\""));
    assert_non_null(strstr(text, ",\"process_memory\":"));
    free(text);
    char *json = eai_sampler_summary_json(s);
    json_t *root = json_loads(json, 0, NULL);
    assert_int_equal(json_integer_value(json_object_get(root, "samples")), n_taken);
    json_decref(root);
    eai_free(json);
    eai_sampler_free(s);
}

static void a_sampler_that_cannot_be(void **state)
{
    eai_sampler *s = NULL;
    eai_error err = EAI_ERROR_INIT;
    (void)state;
    assert_fails(eai_sampler_start(&s, &(eai_sampler_opts){.period = 0.001}, &err),
                 EAI_ERR_ARGUMENT, &err, "period of 0.001 s is not within 0.01 to 86400");
    assert_fails(eai_sampler_start(&s, &(eai_sampler_opts){.period = (double)NAN}, &err),
                 EAI_ERR_ARGUMENT, &err, "nan");
    assert_fails(eai_sampler_start(&s, &(eai_sampler_opts){.n_kept = 100001}, &err),
                 EAI_ERR_ARGUMENT, &err, "at most 100000 samples, not 100001");
    assert_fails(eai_sampler_start(&s, &(eai_sampler_opts){.path = "/no/such"}, &err), EAI_ERR_IO,
                 &err, "'/no/such'");
    assert_null(s);
}

static eai_status start_and_stop(void *ud, eai_error *err)
{
    eai_sampler *s = NULL;
    (void)ud;
    eai_status st = eai_sampler_start(&s, &(eai_sampler_opts){.path = folder}, err);
    eai_sampler_free(s);
    return st;
}

static void no_memory_for_a_sampler(void **state)
{
    (void)state;
    eai_test_torture(start_and_stop, NULL);
}

int main(void)
{
#define FOLDER_TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        FOLDER_TEST(an_intel_laptop),
        FOLDER_TEST(an_amd_server),
        FOLDER_TEST(a_container),
        FOLDER_TEST(an_arm_board),
        FOLDER_TEST(nothing_at_all),
#if !defined(__APPLE__)
        FOLDER_TEST(facts_of_recorded_machines),
        FOLDER_TEST(facts_of_others),
#endif
        cmocka_unit_test(a_mac),
        cmocka_unit_test(a_silent_mac),
        cmocka_unit_test(facts_of_a_mac),
        cmocka_unit_test(counters_that_misbehave),
        FOLDER_TEST(files_that_are_odd),
        cmocka_unit_test(summaries),
        FOLDER_TEST(a_sampler),
        cmocka_unit_test(a_sampler_that_cannot_be),
        FOLDER_TEST(no_memory_for_a_sampler),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
