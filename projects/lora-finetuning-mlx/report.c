/* Collects the steps of a run and writes report.json and the plot. Start at report_write. */
#include "report.h"

#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include <jansson.h>

#include <efficientai/alloc.h>
#include <efficientai/clock.h>
#include <efficientai/fs.h>
#include <efficientai/hardware.h>
#include <efficientai/plot.h>

eai_status report_init(run_report *r, const eai_trainer *t, eai_error *err)
{
    memset(r, 0, sizeof(*r));
    r->cap = (size_t)eai_trainer_steps_total(t) + 1;
    r->step_x = eai_alloc_array(r->cap, sizeof(double));
    r->loss = eai_alloc_array(r->cap, sizeof(double));
    r->seconds = eai_alloc_zeroed(r->cap, sizeof(double));
    if (!r->step_x || !r->loss || !r->seconds)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a report of %zu steps", r->cap);
    r->first = eai_trainer_steps_done(t);
    for (int64_t i = 0; i < r->first; i++) {
        r->step_x[i] = (double)(i + 1);
        r->loss[i] = (double)eai_trainer_losses(t)[i];
    }
    r->n = (size_t)r->first;
    return EAI_OK;
}

void report_deinit(run_report *r)
{
    eai_free(r->step_x);
    eai_free(r->loss);
    eai_free(r->seconds);
    json_decref(r->json);
    memset(r, 0, sizeof(*r));
}

void report_add_step(run_report *r, const eai_train_step *s, double since_start)
{
    if (r->n == (size_t)r->first) {
        r->seconds_to_first_step = since_start;
    } else {
        r->later_tokens += s->tokens;
        r->later_seconds += s->seconds;
    }
    r->tokens += s->tokens;
    r->learned += s->learned;
    r->step_x[r->n] = (double)s->step;
    r->seconds[r->n] = s->seconds;
    r->loss[r->n++] = s->loss;
}

double report_rate(const run_report *r)
{
    return r->later_seconds > 0 ? (double)r->later_tokens / r->later_seconds : 0;
}

double report_last_loss(const run_report *r)
{
    return r->n ? r->loss[r->n - 1] : 0;
}

static json_t *numbers(const double *x, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < n; i++)
        json_array_append_new(list, json_real(x[i]));
    return list;
}

static json_t *validation_row(const eai_validation *v)
{
    return v ? json_pack("{s:I, s:f}", "step", (json_int_t)v->step, "loss", v->loss) : json_null();
}

static json_t *validations(const eai_trainer *t)
{
    const eai_validation *v;
    size_t n = eai_trainer_validations(&v, t);
    json_t *list = json_array();
    for (size_t i = 0; list && i < n; i++)
        json_array_append_new(list, validation_row(&v[i]));
    return list;
}

static json_t *adapter_settings(const train_args *a)
{
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:f, s:f, s:s, s:b}", "model", a->session.model,
                     "data", a->data, "dtype", a->session.dtype, "threads",
                     (json_int_t)a->session.threads, "rank", (json_int_t)a->rank, "alpha", a->alpha,
                     "dropout", a->dropout, "targets", a->targets, "rslora", (int)a->rslora);
}

static json_t *training_settings(const train_args *a)
{
    return json_pack("{s:f, s:I, s:I, s:I, s:I, s:f, s:s, s:I, s:f, s:f, s:I, s:b, s:b, s:b, s:b}",
                     "epochs", a->epochs, "steps", (json_int_t)a->steps, "batch_size",
                     (json_int_t)a->batch_size, "seq_len", (json_int_t)a->seq_len, "accumulation",
                     (json_int_t)a->accumulation, "learning_rate", a->learning_rate, "schedule",
                     a->schedule, "warmup", (json_int_t)a->warmup, "weight_decay", a->weight_decay,
                     "max_grad_norm", a->max_grad_norm, "seed", (json_int_t)a->seed, "pack",
                     (int)!a->no_pack, "shuffle", (int)!a->no_shuffle, "learn_prompt",
                     (int)a->learn_prompt, "checkpoint_activations",
                     (int)a->checkpoint_activations);
}

static json_t *checkpoint_settings(const train_args *a)
{
    return json_pack("{s:I, s:b, s:I, s:f, s:I, s:I}", "eval_every", (json_int_t)a->eval_every,
                     "load_best_model_at_end", (int)a->load_best, "early_stopping_patience",
                     (json_int_t)a->patience, "early_stopping_threshold", a->threshold,
                     "save_every", (json_int_t)a->save_every, "save_total_limit",
                     (json_int_t)a->save_total_limit);
}

static json_t *settings(const train_args *a)
{
    json_t *all = adapter_settings(a);
    json_t *more[] = {training_settings(a), checkpoint_settings(a)};
    for (size_t i = 0; i < 2; i++) {
        if (all && more[i])
            json_object_update(all, more[i]);
        json_decref(more[i]);
    }
    return all;
}

/* What made the numbers, beside the settings. */
static json_t *versions(void)
{
    char system[256] = "";
    struct utsname u;
    if (uname(&u) == 0)
        snprintf(system, sizeof(system), "%.80s %.80s %.80s", u.sysname, u.release, u.machine);
    return json_pack("{s:s, s:s, s:s, s:s}", "efficientai", EAI_VERSION, "compiler", __VERSION__,
                     "jansson", JANSSON_VERSION, "system", system);
}

static json_t *memory(const eai_trainer *t)
{
    eai_plan_memory m;
    eai_trainer_get_memory(&m, t);
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "activations",
                     (json_int_t)m.activations, "activations_alive_at_once", (json_int_t)m.live,
                     "workspace", (json_int_t)m.workspace, "inputs", (json_int_t)m.inputs, "states",
                     (json_int_t)m.states, "weights", (json_int_t)m.weights,
                     "activations_without_sharing", (json_int_t)m.unplanned);
}

static json_t *hashes(const report_facts *f, eai_error *err)
{
    char hex[EAI_SHA256_HEX_SIZE];
    if (eai_sha256_file(hex, f->session->path, err) != EAI_OK)
        return NULL;
    json_t *o =
        json_pack("{s:s, s:s}", "model", hex, "train.jsonl", eai_rows_sha256(f->train_rows));
    if (o && f->valid_rows)
        json_object_set_new(o, "valid.jsonl", json_string(eai_rows_sha256(f->valid_rows)));
    return o;
}

/* Load, memory, heat and energy over the run, as far as the system tells; NULL without memory. */
static json_t *machine(const eai_sample_summary *sum, eai_error *err)
{
    char *text = eai_sample_summary_to_json(sum);
    json_t *o = text ? json_loads(text, 0, NULL) : NULL;

    eai_free(text);
    if (!o)
        eai_error_set(err, EAI_ERR_NOMEM, "no memory for the report");
    return o;
}

static json_t *make_json(const run_report *r, const report_facts *f, eai_error *err)
{
    char when[EAI_CLOCK_ISO_SIZE];
    eai_dataset_stats n;
    eai_dataset_get_stats(&n, f->train);
    json_t *o = json_pack(
        "{s:s, s:s, s:s, s:b, s:I, s:I, s:f, s:f, s:f, s:I, s:I, s:I, s:I}", "program",
        "efficientai", "version", EAI_VERSION, "finished", eai_clock_iso(when, sizeof(when)),
        "interrupted", (int)f->interrupted, "steps", (json_int_t)r->n, "steps_in_this_run",
        (json_int_t)(r->n - (size_t)r->first), "tokens_per_s", report_rate(r),
        "seconds_to_first_step", r->seconds_to_first_step, "seconds", f->seconds, "tokens",
        (json_int_t)r->tokens, "learned_tokens", (json_int_t)r->learned, "predicted_peak_bytes",
        (json_int_t)f->predicted_peak, "peak_rss_bytes", (json_int_t)eai_hardware_peak_rss());
    if (!o) {
        eai_error_set(err, EAI_ERR_NOMEM, "no memory for the report");
        return NULL;
    }
    json_t *files = hashes(f, err);
    json_t *watched = files ? machine(f->machine, err) : NULL;
    if (!watched) {
        json_decref(files);
        json_decref(o);
        return NULL;
    }
    json_object_set_new(o, "first_loss", json_real(r->n ? r->loss[0] : 0));
    json_object_set_new(o, "last_loss", json_real(report_last_loss(r)));
    json_object_set_new(o, "loss", numbers(r->loss, r->n));
    json_object_set_new(o, "step_seconds", numbers(r->seconds + r->first, r->n - (size_t)r->first));
    json_object_set_new(o, "validation", validations(f->trainer));
    json_object_set_new(o, "best_validation",
                        validation_row(eai_trainer_best_validation(f->trainer)));
    json_object_set_new(o, "stopped_early", json_boolean(f->stopped_early));
    json_object_set_new(o, "adapter_is", json_string(f->best_saved ? "best" : "last"));
    json_object_set_new(o, "seed", json_integer((json_int_t)f->args->seed));
    json_object_set_new(o, "settings", settings(f->args));
    json_object_set_new(o, "versions", versions());
    json_object_set_new(o, "data",
                        json_pack("{s:I, s:I, s:I, s:I, s:I}", "examples", (json_int_t)n.examples,
                                  "tokens", (json_int_t)n.tokens, "learned_tokens",
                                  (json_int_t)n.learned_tokens, "cut", (json_int_t)n.cut,
                                  "left_out", (json_int_t)n.left_out));
    json_object_set_new(o, "backend",
                        json_pack("{s:s, s:s, s:i, s:s}", "name",
                                  eai_backend_name(f->session->backend), "isa",
                                  eai_backend_isa(f->session->backend), "threads",
                                  eai_backend_threads(f->session->backend), "dtype",
                                  eai_precision_name(eai_backend_precision(f->session->backend))));
    if (f->heat.worst != EAI_THERMAL_UNKNOWN)
        json_object_set_new(o, "thermal",
                            json_pack("{s:s, s:f}", "worst", eai_thermal_name(f->heat.worst),
                                      "paused_seconds", f->heat.paused));
    json_object_set_new(o, "machine", watched);
    json_object_set_new(o, "planned_bytes", memory(f->trainer));
    json_object_set_new(o, "sha256", files);
    return o;
}

static eai_status write_file(const char *folder, const char *name, const char *text, eai_error *err)
{
    char *path = eai_path_join(folder, name);
    if (!path)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
    eai_status st = eai_fs_write_atomic(path, text, strlen(text), err);
    eai_free(path);
    return st;
}

static eai_status write_plots(const run_report *r, const eai_trainer *t, const char *folder,
                              eai_error *err)
{
    const eai_validation *v;
    size_t n = eai_trainer_validations(&v, t);
    double *xy = eai_alloc_array(2 * n + 1, sizeof(*xy));
    if (!xy)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a plot");
    for (size_t i = 0; i < n; i++) {
        xy[i] = (double)v[i].step;
        xy[n + i] = v[i].loss;
    }
    eai_plot_series series[] = {
        {"training", r->step_x, r->loss, r->n, EAI_PLOT_LINE},
        {"validation", xy, xy + n, n, EAI_PLOT_POINTS},
    };
    eai_plot plot = {.title = "Loss",
                     .x_label = "step",
                     .y_label = "nats a learned token",
                     .y_from_zero = true,
                     .series = series,
                     .n_series = n ? 2 : 1};
    static const char *const names[] = {"loss.png", "loss.svg"};
    eai_status st = EAI_OK;
    for (size_t i = 0; st == EAI_OK && i < 2 && r->n + n > 0; i++) {
        char *path = eai_path_join(folder, names[i]);
        st = path ? eai_plot_write(&plot, path, err)
                  : eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
        eai_free(path);
    }
    eai_free(xy);
    return st;
}

json_t *report_plan(const eai_trainer *t, uint64_t predicted_peak)
{
    return json_pack("{s:I, s:I, s:o}", "steps", (json_int_t)eai_trainer_steps_total(t),
                     "predicted_peak_bytes", (json_int_t)predicted_peak, "planned_bytes",
                     memory(t));
}

eai_status report_write(run_report *r, const report_facts *facts, eai_error *err)
{
    json_decref(r->json);
    r->json = make_json(r, facts, err);
    if (!r->json)
        return err ? err->code : EAI_ERR_NOMEM;
    char *text = json_dumps(r->json, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
    if (!text)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the report");
    eai_status st = write_file(facts->args->output, "report.json", text, err);
    free(text);
    return st == EAI_OK ? write_plots(r, facts->trainer, facts->args->output, err) : st;
}

json_t *report_take_json(run_report *r)
{
    json_t *o = r->json;
    r->json = NULL;
    return o;
}
