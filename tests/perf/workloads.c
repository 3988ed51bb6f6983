/* Fixed work whose instructions are counted, so that a loss of speed shows without a clock.
 *
 *     workloads NAME       does one, its preparations first
 *     workloads --list     their names
 *     workloads --build    what was compiled, and with what: "x86_64 gcc 12 glibc 2.36: Release"
 *
 * tools/count_instructions.py runs each under callgrind, which counts inside measured() alone, and
 * compares with tests/perf/instructions.json. So each does the same whenever and wherever it runs:
 * one thread, the one instruction set that valgrind knows best, no clock, no address and no random
 * seed decides anything. Results are not looked at: other tests do that. Sizes are such that
 * callgrind takes some seconds; what a workload is made of is in equal parts, or a part could grow
 * unseen. To add one: a function that prepares and calls measured(), and a row in `workloads`. */
#include <stdlib.h>
#include <unistd.h>

#include <jansson.h>

#include <efficientai/alloc.h>
#include <efficientai/convert.h>
#include <efficientai/generate.h>
#include <efficientai/hardware.h>
#include <efficientai/rows.h>
#include <efficientai/tokenizer.h>
#include <efficientai/trainer.h>

#include "support/eai_test.h"
#include "support/tiny_llama.h"
#include "support/tokenizer_lines.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

#if defined(__x86_64__)
#define ISA "avx2"
#else
#define ISA NULL
#endif

#define TEXT_OF(x) #x
#define TEXT(x)    TEXT_OF(x)
#if defined(__clang__)
#define COMPILER "clang " TEXT(__clang_major__)
#else
#define COMPILER "gcc " TEXT(__GNUC__)
#endif
#if defined(__GLIBC__) /* tells the other libraries' versions apart too, as far as distributions   \
                          do */
#define LIBRARY "glibc " TEXT(__GLIBC__) "." TEXT(__GLIBC_MINOR__)
#else
#define LIBRARY "another libc"
#endif

/* What is counted: this function with all that it calls. callgrind finds it by its name, so it must
 * not be inlined, and what follows the call keeps that from becoming a jump. */
void measured(void (*work)(void *ud), void *ud);
__attribute__((noinline)) void measured(void (*work)(void *ud), void *ud)
{
    work(ud);
    __asm__ volatile("" ::: "memory");
}

static eai_backend *open_backend(eai_precision precision)
{
    eai_error err = EAI_ERROR_INIT;
    eai_backend *b = NULL;
    eai_backend_opts opts = {.n_threads = 1, .precision = precision, .isa = ISA};
    assert_ok(eai_backend_open(&b, "cpu", &opts, &err), &err);
    return b;
}

/* ---- Plans of a few operations --------------------------------------------------------------- */

static eai_graph *new_graph(void)
{
    eai_error err = EAI_ERROR_INIT;
    eai_graph *g = NULL;
    assert_ok(eai_graph_create(&g, &err), &err);
    return g;
}

/* The graph is used up. */
static eai_plan *make_plan(eai_graph *g, eai_backend *backend)
{
    eai_error err = EAI_ERROR_INIT;
    eai_plan *plan = NULL;
    assert_ok(eai_graph_check(g, &err), &err);
    assert_ok(eai_plan_create(&plan, g, backend, &err), &err);
    eai_graph_free(g);
    return plan;
}

static void run_plan(void *ud)
{
    eai_error err = EAI_ERROR_INIT;
    assert_ok(eai_plan_run(ud, &err), &err);
}

/* An input of numbers in [-1, 1). */
static void fill(const eai_plan *plan, const char *name)
{
    eai_error err = EAI_ERROR_INIT;
    eai_operand o;
    assert_ok(eai_plan_find(&o, plan, name, &err), &err);
    assert_int_equal(o.dtype, EAI_F32);
    hash_fill_uniform(o.data, HASH_STREAM_WEIGHTS, 1, (size_t)eai_shape_elements(&o.shape), 1);
}

/* [rows, cols] of one row again and again; the caller frees with eai_free. */
static uint8_t *make_weights(eai_dtype dtype, int64_t rows, int64_t cols)
{
    eai_error err = EAI_ERROR_INIT;
    size_t row_bytes = eai_row_bytes(dtype, cols);
    uint8_t *w = eai_alloc_aligned(64, row_bytes * (size_t)rows);
    float *row = eai_alloc_array((size_t)cols, sizeof(float));
    assert_true(w && row);
    hash_fill_uniform(row, HASH_STREAM_WEIGHTS, 0, (size_t)cols, 1);
    assert_ok(eai_quantize_row(w, dtype, row, cols, &err), &err);
    for (int64_t r = 1; r < rows; r++)
        memcpy(w + row_bytes * (size_t)r, w, row_bytes);
    eai_free(row);
    return w;
}

/* ---- Products -------------------------------------------------------------------------------- */

/* x [m, k] times weights, which are [n, k] where they lie along k and [k, n] elsewhere. */
typedef struct product {
    eai_dtype dtype;
    int64_t m, n, k;
    bool along_k;
} product;

typedef struct two_plans {
    eai_plan *plan[2];
    int times;
} two_plans;

static void run_two_plans(void *ud)
{
    const two_plans *p = ud;
    for (int i = 0; i < p->times; i++) {
        run_plan(p->plan[0]);
        run_plan(p->plan[1]);
    }
}

static eai_plan *plan_product(const product *p, const uint8_t *weights, eai_backend *backend)
{
    eai_graph *g = new_graph();
    eai_shape shape = p->along_k ? EAI_SHAPE2(p->n, p->k) : EAI_SHAPE2(p->k, p->n);
    eai_tensor *x = eai_input(g, "x", EAI_F32, EAI_SHAPE2(p->m, p->k));
    eai_tensor *w = eai_weight(g, "w", p->dtype, shape, weights);
    eai_tensor *y = p->along_k ? eai_linear(g, x, w) : eai_matmul(g, x, w, EAI_MATMUL_OPTS_INIT);
    eai_graph_output(g, "y", y);
    eai_plan *plan = make_plan(g, backend);
    fill(plan, "x");
    return plan;
}

/* Two products by turns, in f32. */
static void measure_products(const product p[2], int times)
{
    eai_backend *backend = open_backend(EAI_PRECISION_F32);
    uint8_t *weights[2];
    two_plans work = {.times = times};
    for (int i = 0; i < 2; i++) {
        weights[i] = make_weights(p[i].dtype, p[i].along_k ? p[i].n : p[i].k,
                                  p[i].along_k ? p[i].k : p[i].n);
        work.plan[i] = plan_product(&p[i], weights[i], backend);
    }
    measured(run_two_plans, &work);
    for (int i = 0; i < 2; i++) {
        eai_plan_free(work.plan[i]);
        eai_free(weights[i]);
    }
    eai_backend_close(backend);
}

/* Sizes of whole tiles, and such that are none. Few rows and columns, much between them: then
 * packing is a tenth of the work, and is seen when it grows. */
static void measure_product_f32(void)
{
    static const product p[2] = {{EAI_F32, 96, 256, 1536, true}, {EAI_F32, 97, 257, 1537, true}};
    measure_products(p, 1);
}

static void measure_product_q4_1(void)
{
    static const product p[2] = {{EAI_Q4_1, 48, 256, 3072, true}, {EAI_Q4_1, 49, 257, 3072, true}};
    measure_products(p, 1);
}

static void measure_gradient_q8_0(void)
{
    static const product p[2] = {{EAI_Q8_0, 48, 256, 3072, false},
                                 {EAI_Q8_0, 49, 256, 3073, false}};
    measure_products(p, 1);
}

static void measure_decode(void)
{
    static const product p[2] = {{EAI_Q4_1, 1, 1536, 768, true}, {EAI_Q4_K, 1, 1536, 768, true}};
    measure_products(p, 8);
}

/* ---- Attention and loss, forward and backward ------------------------------------------------ */

/* Two examples in one row, each token seeing those of its own up to itself. */
static void fill_intervals(const eai_plan *plan, int32_t n, int32_t second)
{
    for (int32_t t = 0; t < n; t++) {
        tiny_input(plan, "start")[t] = t < second ? 0 : second;
        tiny_input(plan, "end")[t] = t + 1;
    }
}

static void measure_attention(void)
{
    enum { T = 320, HEADS = 4, KV_HEADS = 2, HEAD = 64 };
    eai_backend *backend = open_backend(EAI_PRECISION_F32);
    eai_graph *g = new_graph();
    eai_tensor *q = eai_input(g, "q", EAI_F32, EAI_SHAPE3(T, HEADS, HEAD));
    eai_tensor *k = eai_input(g, "k", EAI_F32, EAI_SHAPE3(T, KV_HEADS, HEAD));
    eai_tensor *v = eai_input(g, "v", EAI_F32, EAI_SHAPE3(T, KV_HEADS, HEAD));
    eai_tensor *start = eai_input(g, "start", EAI_I32, EAI_SHAPE1(T));
    eai_tensor *end = eai_input(g, "end", EAI_I32, EAI_SHAPE1(T));
    eai_tensor *y = eai_attention(g, q, k, v, start, end, 0.125);
    eai_tensor *grads[3];
    eai_grad(g, eai_sum_all(g, eai_mul(g, y, y)), (eai_tensor *[]){q, k, v}, 3, NULL, grads);
    eai_graph_output(g, "dq", grads[0]);
    eai_graph_output(g, "dk", grads[1]);
    eai_graph_output(g, "dv", grads[2]);
    eai_plan *plan = make_plan(g, backend);
    fill(plan, "q");
    fill(plan, "k");
    fill(plan, "v");
    fill_intervals(plan, T, 130);
    measured(run_plan, plan);
    eai_plan_free(plan);
    eai_backend_close(backend);
}

static void measure_cross_entropy(void)
{
    enum { T = 96, WIDTH = 64, VOCAB = 4096 };
    eai_backend *backend = open_backend(EAI_PRECISION_F32);
    uint8_t *weights = make_weights(EAI_BF16, VOCAB, WIDTH);
    eai_graph *g = new_graph();
    eai_tensor *grad;
    eai_tensor *h = eai_input(g, "h", EAI_F32, EAI_SHAPE2(T, WIDTH));
    eai_tensor *w = eai_weight(g, "w", EAI_BF16, EAI_SHAPE2(VOCAB, WIDTH), weights);
    eai_tensor *targets = eai_input(g, "targets", EAI_I32, EAI_SHAPE1(T));
    eai_tensor *loss = eai_sum_all(g, eai_linear_cross_entropy(g, h, w, targets));
    eai_grad(g, loss, &h, 1, NULL, &grad);
    eai_graph_output(g, "loss", loss);
    eai_graph_output(g, "dh", grad);
    eai_plan *plan = make_plan(g, backend);
    fill(plan, "h");
    hash_fill_integers(tiny_input(plan, "targets"), HASH_STREAM_IDS, 0, T, VOCAB);
    measured(run_plan, plan);
    eai_plan_free(plan);
    eai_free(weights);
    eai_backend_close(backend);
}

/* ---- A model --------------------------------------------------------------------------------- */

static void run_step(void *ud)
{
    eai_error err = EAI_ERROR_INIT;
    eai_train_step s;
    assert_ok(eai_trainer_step(&s, ud, &err), &err);
}

static eai_dataset *make_examples(void)
{
    enum { EXAMPLES = 4, LENGTH = 48, VOCAB = 320 };
    static const size_t lengths[EXAMPLES] = {LENGTH, LENGTH, LENGTH, LENGTH};
    const eai_dataset_opts opts = {LENGTH, EXAMPLES, true, true, false, 1};
    eai_error err = EAI_ERROR_INIT;
    eai_dataset *data = NULL;
    int32_t ids[EXAMPLES * LENGTH];
    uint8_t mask[EXAMPLES * LENGTH];
    hash_fill_integers(ids, HASH_STREAM_IDS, 0, COUNT(ids), VOCAB);
    memset(mask, 1, sizeof(mask));
    assert_ok(eai_dataset_from_tokens(&data, ids, mask, lengths, EXAMPLES, &opts, &err), &err);
    return data;
}

/* A whole step, its batch and update included; its plan was made before. */
static void measure_lora_step(void)
{
    eai_error err = EAI_ERROR_INIT;
    eai_backend *backend = open_backend(EAI_PRECISION_F32);
    eai_dataset *data = make_examples();
    eai_adapter *adapter = NULL;
    eai_trainer *trainer = NULL;
    eai_lora_task task;
    tiny_llama tiny;
    eai_adapter_opts lora = EAI_ADAPTER_OPTS_INIT;
    eai_train_opts train = EAI_TRAIN_OPTS_INIT;
    lora.dropout = 0.1;
    train.steps = 1;
    train.checkpoint_activations = true;
    tiny_llama_open_peft(&tiny);
    assert_ok(eai_adapter_create(&adapter, tiny.model, &lora, &err), &err);
    eai_lora_task_init(&task, tiny.model, adapter);
    assert_ok(eai_trainer_create(&trainer, &task.base, backend, data, &train, &err), &err);
    measured(run_step, trainer);
    eai_trainer_free(trainer);
    eai_dataset_free(data);
    eai_adapter_free(adapter);
    tiny_llama_close(&tiny);
    eai_backend_close(backend);
}

static void generate(eai_generator *gen, uint64_t prompt)
{
    enum { PROMPT = 70 };
    eai_error err = EAI_ERROR_INIT;
    eai_generate_opts opts = EAI_GENERATE_OPTS_INIT;
    eai_generation out = EAI_GENERATION_INIT;
    int32_t ids[PROMPT];
    opts.max_tokens = TINY_CONTEXT - PROMPT;
    opts.sampling = (eai_sampling){0.8, 40, 0.95, 0.01, 1.1, 1};
    hash_fill_integers(ids, HASH_STREAM_IDS, prompt, PROMPT, TINY_VOCAB);
    assert_ok(eai_generator_run(&out, gen, ids, PROMPT, &opts, &err), &err);
    assert_int_equal(out.n_ids, opts.max_tokens);
    eai_generation_deinit(&out);
}

static void run_generator(void *ud)
{
    for (uint64_t prompt = 0; prompt < 3; prompt++)
        generate(ud, prompt);
}

/* Plans for two sizes of piece, prompts, tokens that are drawn; products in 8 bits. */
static void measure_generation(void)
{
    eai_error err = EAI_ERROR_INIT;
    eai_backend *backend = open_backend(EAI_PRECISION_INT8);
    eai_generator *gen = NULL;
    tiny_llama tiny;
    tiny_llama_open(&tiny, EAI_Q4_1, true);
    assert_ok(eai_generator_create(&gen, tiny.model, NULL, backend, NULL, NULL, &err), &err);
    measured(run_generator, gen);
    eai_generator_free(gen);
    tiny_llama_close(&tiny);
    eai_backend_close(backend);
}

/* ---- Text and files -------------------------------------------------------------------------- */

enum { LINES = 200 };

typedef struct encoding {
    eai_tokenizer *tokenizer[2];
    char *text[LINES];
    size_t n[LINES];
} encoding;

static void make_lines(encoding *e)
{
    static tokenizer_line line;
    for (uint32_t i = 0; i < LINES; i++) {
        tokenizer_line_make(&line, i);
        e->n[i] = line.n;
        e->text[i] = eai_alloc(line.n + 1);
        assert_non_null(e->text[i]);
        memcpy(e->text[i], line.text, line.n);
    }
}

static void encode_lines(void *ud)
{
    const encoding *e = ud;
    eai_error err = EAI_ERROR_INIT;
    for (size_t i = 0; i < 2 * LINES; i++) {
        int32_t *ids = NULL;
        size_t n = 0;
        size_t line = i % LINES;
        assert_ok(eai_tokenizer_encode(&ids, &n, e->tokenizer[i / LINES], e->text[line], e->n[line],
                                       EAI_TOKENIZE_PARSE_SPECIAL, &err),
                  &err);
        eai_free(ids);
    }
}

/* Mixed text, by byte-pair encoding and by Unigram. */
static void measure_tokenizer(void)
{
    static const char *const paths[] = {"tokenizers/llama3.json",
                                        "tokenizers/unigram_charsmap.json"};
    eai_error err = EAI_ERROR_INIT;
    encoding e;
    for (size_t i = 0; i < COUNT(paths); i++)
        assert_ok(eai_tokenizer_load(&e.tokenizer[i], paths[i], &err), &err);
    make_lines(&e);
    measured(encode_lines, &e);
    for (size_t i = 0; i < LINES; i++)
        eai_free(e.text[i]);
    for (size_t i = 0; i < COUNT(paths); i++)
        eai_tokenizer_free(e.tokenizer[i]);
}

static void open_model(const char *path)
{
    eai_error err = EAI_ERROR_INIT;
    eai_weights *weights = NULL;
    eai_model *model = NULL;
    assert_ok(eai_weights_open(&weights, path, &err), &err);
    assert_ok(eai_model_load(&model, weights, &err), &err);
    eai_model_free(model);
    eai_weights_close(weights);
}

static void open_tokenizer(const char *path)
{
    eai_error err = EAI_ERROR_INIT;
    eai_tokenizer *t = NULL;
    assert_ok(eai_tokenizer_load(&t, path, &err), &err);
    eai_tokenizer_free(t);
}

static void read_rows(const char *path)
{
    eai_error err = EAI_ERROR_INIT;
    eai_rows *rows = NULL;
    assert_ok(eai_rows_read(&rows, path, &err), &err);
    eai_rows_free(rows);
}

/* Times are such that each takes a like share. */
static const struct {
    void (*open)(const char *path);
    const char *path;
    int times;
} files[] = {
    {open_model, "families/llama/model.gguf", 20},
    {open_model, "families/llama3/model.safetensors", 20},
    {open_tokenizer, "tokenizers/sentencepiece_bpe.gguf", 5},
    {open_tokenizer, "tokenizers/llama3.json", 5},
    {read_rows, "../../projects/lora-finetuning-mlx/data/test.jsonl", 5},
};

static void open_files(void *ud)
{
    (void)ud;
    for (size_t i = 0; i < COUNT(files); i++)
        for (int k = 0; k < files[i].times; k++)
            files[i].open(files[i].path);
}

/* What libraries do at their first call, as reading the settings of the machine, is not counted. */
static void measure_files(void)
{
    for (size_t i = 0; i < COUNT(files); i++)
        files[i].open(files[i].path);
    measured(open_files, NULL);
}

/* ---- The program ----------------------------------------------------------------------------- */

static const struct {
    const char *name;
    void (*measure)(void);
} workloads[] = {
    {"product_f32", measure_product_f32},     {"product_q4_1", measure_product_q4_1},
    {"gradient_q8_0", measure_gradient_q8_0}, {"decode", measure_decode},
    {"attention", measure_attention},         {"cross_entropy", measure_cross_entropy},
    {"lora_step", measure_lora_step},         {"generation", measure_generation},
    {"tokenizer", measure_tokenizer},         {"files", measure_files},
};

static int list(void)
{
    for (size_t i = 0; i < COUNT(workloads); i++)
        puts(workloads[i].name);
    return 0;
}

static int print_build(void)
{
    const eai_hardware *h = eai_hardware_get();
    bool known = h->has.avx2 && h->has.fma && h->has.f16c;
    puts(known ? "x86_64 " COMPILER " " LIBRARY ": " WORKLOADS_BUILD : "another machine: none");
    return 0;
}

int main(int argc, char **argv)
{
    const char *word = argc == 2 ? argv[1] : "";
    json_object_seed(1); /* else jansson takes a random one */
    if (strcmp(word, "--list") == 0)
        return list();
    if (strcmp(word, "--build") == 0)
        return print_build();
    for (size_t i = 0; i < COUNT(workloads); i++) {
        /* Short paths from there, the same in each clone. */
        if (strcmp(word, workloads[i].name) == 0 && chdir(EAI_TEST_DATA) == 0) {
            workloads[i].measure();
            return 0;
        }
    }
    fprintf(stderr, "usage: workloads NAME | --list | --build\n");
    return 2;
}
