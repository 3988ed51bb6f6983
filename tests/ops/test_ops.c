/* Runs the operation cases (cases.h).
 *
 *     test_ops --check [ISA|mlx]    the CPU backend, or MLX's, against the float64 reference
 *     test_ops --grad [ISA|mlx]     gradients on the reference against central differences, and on
 *                                   that backend against the reference
 *     test_ops --second [ISA|mlx]   the same for gradients of gradients
 *     test_ops --lower              the lowering of an operation against it, both on the reference
 *     test_ops --coverage           every row of ops.def has a case
 *
 * ISA is an instruction set, $EFFICIENTAI_CPU_ISA or the machine's best when left out; one that the
 * machine lacks gives exit code 77, which ctest reports as skipped. "emulated" takes the vector
 * routines as compiled for 16 floats a vector without AVX-512, so that their logic is tested where
 * no machine has it, "emulated_bf16" those that multiply bf16. */
#include <math.h>
#include <stdlib.h>

#include <efficientai/alloc.h>
#include <efficientai/rng.h>

#include "engine/cpu/cpu.h"
#include "engine/cpu/vec.h"
#include "ops/instance.h"
#include "support/eai_test.h"

extern const cpu_vec_table cpu_vec_emulated;
extern const cpu_vec_table cpu_vec_emulated_bf16;

static eai_backend *tested; /* the CPU's or MLX's */
static eai_backend *reference;

static const op_case_list *const lists[] = {&cases_elementwise, &cases_shape,     &cases_product,
                                            &cases_network,     &cases_attention, &cases_update};
#define N_LISTS (sizeof(lists) / sizeof(lists[0]))

/* ---- comparing ---- */

/* |a - e| <= tolerance * largest |e|; infinities and NaN must be the same ones. Where operands are
 * rounded (a wide tolerance), results that cancel are as exact as those, whose size is 1. */
static void assert_near(const char *what, int index, const double *actual, const double *expected,
                        int64_t n, double tolerance)
{
    double largest = tolerance < 1e-3 ? 1e-6 : 1;
    for (int64_t i = 0; i < n; i++)
        if (isfinite(expected[i]) && fabs(expected[i]) > largest)
            largest = fabs(expected[i]);
    for (int64_t i = 0; i < n; i++) {
        bool near = isfinite(expected[i]) ? fabs(actual[i] - expected[i]) <= tolerance * largest
                                          : isnan(actual[i]) == isnan(expected[i]) &&
                                                (isnan(actual[i]) || actual[i] == expected[i]);
        if (!near)
            fail_msg("%s %d, element %lld of %lld: %.9g, expected %.9g; the largest is %g", what,
                     index, (long long)i, (long long)n, actual[i], expected[i], largest);
    }
}

static void compare_results(const op_run *a, const op_run *e, double tolerance)
{
    assert_int_equal(a->n_out, e->n_out);
    for (int i = 0; i < a->n_out; i++) {
        int64_t n = 0;
        int64_t m = 0;
        double *x = op_run_result(a, i, &n);
        double *y = op_run_result(e, i, &m);
        if (x && y) { /* a lowering may leave an output out */
            assert_int_equal(n, m);
            assert_near("result", i, x, y, n, tolerance);
        }
        eai_free(x);
        eai_free(y);
    }
}

/* States that an operation changes, and inputs that it must not change. */
static void compare_leaves(const op_run *a, const op_run *e, double tolerance)
{
    for (int k = 0; k < a->values->n; k++) {
        if (!op_leaf_is_float(&a->c->in[k]))
            continue;
        double *x = op_run_leaf(a, k);
        double *y = op_run_leaf(e, k);
        assert_near("leaf", k, x, y, a->values->count[k], tolerance);
        eai_free(x);
        eai_free(y);
    }
}

/* MLX's functions are some units in the last place off, and its sums are of floats alone. */
#define MLX_TOLERANCE 2e-5

/* Products of rounded operands are as good as bf16, eight bits, is; all else is as in f32. */
static double allow_rounding(const op_case *c, double tolerance)
{
    if (strcmp(tested->ops->name, "mlx") == 0)
        return fmax(tolerance, MLX_TOLERANCE);
    bool product = c->op == EAI_OP_MATMUL || c->op == EAI_OP_LINEAR_CE;
    bool attention = c->op == EAI_OP_ATTENTION || c->op == EAI_OP_ATTENTION_GRAD;
    /* Attention multiplies bf16 itself, or the products of its lowering do, where gradients are. */
    bool rounds = eai_backend_precision(tested) == EAI_PRECISION_BF16 ||
                  (attention && strstr(((cpu_backend *)tested)->vec->isa, "bf16"));
    if (!rounds || !(product || attention))
        return tolerance;
    return attention ? 1.0 / 32 : 1.0 / 128; /* scores are sums in an exponent */
}

static double get_tolerance(const op_case *c)
{
    return allow_rounding(c, c->tolerance > 0 ? c->tolerance : 2e-6);
}

/* ---- modes ---- */

static void compare_backends(const op_case *c, const op_values *v, op_stage stage, bool temporaries,
                             double tolerance)
{
    op_run actual;
    op_run expected;
    op_run_open(&actual, c, v, tested, stage, temporaries);
    op_run_open(&expected, c, v, reference, stage, temporaries);
    op_run_once(&actual);
    op_run_once(&expected);
    compare_results(&actual, &expected, tolerance);
    compare_leaves(&actual, &expected, tolerance);
    if (c->op == EAI_OP_FUSED && stage == STAGE_RESULTS && tested->ops->fuse)
        assert_true(eai_plan_steps(actual.plan) < eai_plan_steps(expected.plan));
    if (c->steps > 0 && stage == STAGE_RESULTS && !temporaries && tested->ops->fuse)
        assert_int_equal(eai_plan_steps(actual.plan), c->steps);
    op_run_close(&actual);
    op_run_close(&expected);
}

static bool is_differentiable(const op_case *c)
{
    for (int k = 0; k < EAI_MAX_INPUTS; k++)
        if (op_leaf_is_differentiable(&c->in[k]))
            return true;
    return false;
}

/* Cases that are too large for differences have their gradients checked here, which round twice. */
static void check_case(void **state)
{
    const op_case *c = *state;
    op_values v;
    op_values_make(&v, c);
    compare_backends(c, &v, STAGE_RESULTS, false, get_tolerance(c));
    if (!(eai_op_get(c->op)->flags & EAI_OPF_M))
        compare_backends(c, &v, STAGE_RESULTS, true, get_tolerance(c));
    if (c->check_only && is_differentiable(c))
        compare_backends(c, &v, STAGE_GRADIENT, false, 2 * get_tolerance(c));
    op_values_free(&v);
}

static bool has_gradient(const op_case *c)
{
    return is_differentiable(c) && !c->check_only;
}

/* The derivative of the value along a direction of one leaf, from four points: the error is h^4. */
static double slope(op_run *r, int leaf, const double *direction)
{
    const double h = 1e-3;
    const double at[] = {-2, -1, 1, 2};
    const double weight[] = {1.0 / 12, -8.0 / 12, 8.0 / 12, -1.0 / 12};
    double total = 0;
    for (int i = 0; i < 4; i++) {
        int64_t n;
        op_run_move(r, leaf, direction, at[i] * h);
        op_run_once(r);
        double *f = op_run_result(r, 0, &n);
        total += weight[i] * *f / h;
        eai_free(f);
    }
    op_run_move(r, leaf, direction, 0);
    return total;
}

/* Along two random directions and a few single elements of one leaf. */
static void compare_slopes(op_run *value, const double *gradient, int leaf, double tolerance)
{
    int64_t n = value->values->count[leaf];
    double *direction = eai_alloc_zeroed((size_t)n + 1, sizeof(*direction));
    eai_rng rng;

    assert_non_null(direction);
    eai_rng_init(&rng, 99, (uint64_t)leaf);
    for (int trial = 0; trial < 6 && n > 0; trial++) {
        double expected = 0;
        double size = 1e-3;
        memset(direction, 0, (size_t)n * sizeof(*direction));
        for (int64_t i = 0; trial < 2 && i < n; i++)
            direction[i] = eai_rng_uniform_double(&rng) * 2 - 1;
        if (trial >= 2)
            direction[eai_rng_below(&rng, (uint64_t)n)] = 1;
        for (int64_t i = 0; i < n; i++) {
            expected += gradient[i] * direction[i];
            size = fmax(size, fabs(gradient[i]));
        }
        double measured = slope(value, leaf, direction);
        if (!(fabs(measured - expected) <= tolerance * (size + fabs(expected))))
            fail_msg("leaf %d, trial %d: gradient %.10g, central difference %.10g", leaf, trial,
                     expected, measured);
    }
    eai_free(direction);
}

/* Gradients at `stage` + 1 against differences of the value at `stage`, then the CPU's against
 * them. */
static void differentiate_case(const op_case *c, op_stage stage, double cpu_tolerance)
{
    op_values v;
    op_run value;
    op_run gradient;
    int i = 0;

    op_values_make(&v, c);
    op_run_open(&value, c, &v, reference, stage, false);
    op_run_open(&gradient, c, &v, reference, stage + 1, false);
    op_run_once(&gradient);
    for (int k = 0; k < v.n; k++) {
        int64_t n;
        if (!op_leaf_is_differentiable(&c->in[k]))
            continue;
        double *d = op_run_result(&gradient, i++, &n);
        assert_non_null(d);
        assert_int_equal(n, v.count[k]);
        compare_slopes(&value, d, k, 1e-7);
        eai_free(d);
    }
    op_run_close(&value);
    op_run_close(&gradient);
    compare_backends(c, &v, stage + 1, false, allow_rounding(c, cpu_tolerance));
    op_values_free(&v);
}

static void differentiate_once(void **state)
{
    differentiate_case(*state, STAGE_VALUE, 2e-5);
}

static void differentiate_twice(void **state)
{
    differentiate_case(*state, STAGE_VALUE2, 2e-4);
}

static void lower_case(void **state)
{
    const op_case *c = *state;
    op_values v;
    op_run direct;
    op_run lowered;
    op_values_make(&v, c);
    op_run_open(&direct, c, &v, reference, STAGE_OPERATION, false);
    op_run_open(&lowered, c, &v, reference, STAGE_LOWERED, false);
    op_run_once(&direct);
    op_run_once(&lowered);
    compare_results(&lowered, &direct, 1e-10);
    op_run_close(&direct);
    op_run_close(&lowered);
    op_values_free(&v);
}

static void every_op_is_tested(void **state)
{
    (void)state;
    bool covered[EAI_OP_COUNT] = {false};
    covered[EAI_OP_INPUT] = covered[EAI_OP_WEIGHT] = covered[EAI_OP_STATE] =
        true; /* the leaves of cases */
    for (size_t l = 0; l < N_LISTS; l++)
        for (size_t i = 0; i < lists[l]->n; i++)
            covered[lists[l]->cases[i].op] = true;
    for (int op = 0; op < EAI_OP_COUNT; op++)
        if (!covered[op])
            fail_msg("no case in tests/ops for operation '%s'", eai_op_get((eai_op)op)->name);
}

/* ---- running ---- */

static bool is_wanted(const char *mode, const op_case *c)
{
    if (strcmp(mode, "--check") == 0)
        return true;
    if (strcmp(mode, "--grad") == 0)
        return has_gradient(c);
    if (strcmp(mode, "--second") == 0)
        return has_gradient(c) && !c->no_second;
    return strcmp(mode, "--lower") == 0 && eai_op_get(c->op)->lower != NULL;
}

static char *name_case(const op_case *c, size_t number)
{
    char shapes[256] = "";
    for (int k = 0; k < EAI_MAX_INPUTS && c->in[k].fill != FILL_NONE; k++) {
        size_t used = strlen(shapes);
        if (used + 2 < sizeof(shapes)) {
            shapes[used] = ' ';
            eai_shape_print(shapes + used + 1, sizeof(shapes) - used - 1, &c->in[k].shape);
        }
    }
    return eai_asprintf("%zu %s%s%s%s", number, eai_op_get(c->op)->name, c->name ? " " : "",
                        c->name ? c->name : "", shapes);
}

static int run_cases(const char *mode)
{
    CMUnitTestFunction run = strcmp(mode, "--check") == 0    ? check_case
                             : strcmp(mode, "--grad") == 0   ? differentiate_once
                             : strcmp(mode, "--second") == 0 ? differentiate_twice
                                                             : lower_case;
    struct CMUnitTest *tests;
    size_t n = 0;
    size_t all = 0;

    for (size_t l = 0; l < N_LISTS; l++)
        all += lists[l]->n;
    tests = eai_alloc_zeroed(all, sizeof(*tests));
    if (!tests)
        return 1;
    for (size_t l = 0; l < N_LISTS; l++)
        for (size_t i = 0; i < lists[l]->n; i++) {
            const op_case *c = &lists[l]->cases[i];
            if (!is_wanted(mode, c))
                continue;
            tests[n].name = name_case(c, n);
            tests[n].test_func = run;
            tests[n++].initial_state = (void *)(uintptr_t)c;
        }
    int failures = _cmocka_run_group_tests(mode, tests, n, NULL, NULL);
    for (size_t i = 0; i < n; i++)
        eai_free((void *)(uintptr_t)tests[i].name);
    eai_free(tests);
    return failures;
}

/* 0, or the exit code. */
static int open_backends(const char *isa)
{
    eai_error err = EAI_ERROR_INIT;
    const cpu_vec_table *emulated = NULL;
    if (isa && strcmp(isa, "emulated") == 0)
        emulated = &cpu_vec_emulated;
    if (isa && strcmp(isa, "emulated_bf16") == 0)
        emulated = &cpu_vec_emulated_bf16;
    bool mlx = isa && strcmp(isa, "mlx") == 0;
    eai_backend_opts opts = {2, mlx ? EAI_PRECISION_F32 : EAI_PRECISION_AUTO,
                             emulated ? "scalar"
                             : mlx    ? NULL
                                      : isa};
    eai_status st = eai_backend_open(&tested, mlx ? "mlx" : "cpu", &opts, &err);

    if (st == EAI_ERR_UNSUPPORTED) {
        print_message("SKIPPED: %s\n", err.message);
        return 77;
    }
    if (st == EAI_OK)
        st = eai_backend_open(&reference, "reference", NULL, &err);
    if (st != EAI_OK) {
        print_error("%s\n", err.message);
        return 1;
    }
    if (emulated)
        ((cpu_backend *)tested)->vec = emulated;
    print_message("%s%s\n", eai_backend_describe(tested),
                  emulated ? ", vectors of 16 emulated" : "");
    return 0;
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest coverage[] = {cmocka_unit_test(every_op_is_tested)};
    const char *mode = argc > 1 ? argv[1] : "";

    if (strcmp(mode, "--coverage") == 0)
        return cmocka_run_group_tests_name("ops", coverage, NULL, NULL);
    if (strcmp(mode, "--check") && strcmp(mode, "--grad") && strcmp(mode, "--second") &&
        strcmp(mode, "--lower")) {
        print_error("usage: test_ops --check|--grad|--second [ISA|mlx] | --lower | --coverage\n");
        return 2;
    }
    int code = open_backends(argc > 2 ? argv[2] : NULL);
    if (code == 0)
        code = run_cases(mode);
    eai_backend_close(tested);
    eai_backend_close(reference);
    return code;
}
