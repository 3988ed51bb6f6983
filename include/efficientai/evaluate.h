/* Judging a language model by its answers: does greedy generation give exactly the expected text?
 *
 * Use:
 *     eai_exact_match m;
 *     EAI_TRY(eai_exact_match_run(&m, generator, tokenizer, rows, NULL, err));
 *     printf("%lld of %lld\n", (long long)m.matched, (long long)m.rows);
 *
 * A row has an answer when it is prompt/completion, or messages that end with the assistant's turn.
 * The answer is generated greedily from what comes before it, through the model's chat template,
 * and compared with the expected one after removing white space at both ends.
 *
 * Thread-safety: as the generator's. */
#ifndef EAI_EVALUATE_H
#define EAI_EVALUATE_H

#include <signal.h>

#include <efficientai/generate.h>
#include <efficientai/rows.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One row's outcome, as on_row sees it. Borrowed texts. */
typedef struct eai_exact_match_row {
    size_t row; /* of the rows, from 0 */
    const char *expected;
    const char *answer;
    bool matched;
} eai_exact_match_row;

typedef struct eai_exact_match_opts {
    int64_t max_tokens; /* of an answer; 0: the expected answer's length and 16 more */
    int64_t limit;      /* rows to judge; 0: all */
    void (*on_row)(const eai_exact_match_row *row, void *ud);
    void *ud;
    const volatile sig_atomic_t *cancel; /* not 0: stop with EAI_ERR_CANCELLED; NULL: none */
} eai_exact_match_opts;

typedef struct eai_exact_match {
    int64_t rows; /* with an answer */
    int64_t matched;
    int64_t generated_tokens;
    double seconds;
} eai_exact_match;

/* True when the rows' layout has answers. */
EAI_API bool eai_rows_have_answers(const eai_rows *rows);

EAI_API EAI_CHECKED eai_status eai_exact_match_run(eai_exact_match *out, eai_generator *gen,
                                                   const eai_tokenizer *tokenizer,
                                                   const eai_rows *rows,
                                                   const eai_exact_match_opts *opts,
                                                   eai_error *err);

#ifdef __cplusplus
}
#endif
#endif
