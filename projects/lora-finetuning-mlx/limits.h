/* What the machine allows a training run: memory, for which the run is made smaller, and heat, for
 * which it pauses. */
#ifndef LORA_LIMITS_H
#define LORA_LIMITS_H

#include <efficientai/hardware.h>
#include <efficientai/progress.h>

#include "commands.h"

#define LIMITS_SHORTEST 64 /* --seq-len is not made shorter than that */

/* The next smaller run, in this order: fewer rows a batch and as many batches more an update, which
 * leaves updates as they are; activations computed again; shorter rows, likewise with more batches.
 * `what` says which ("--batch-size 4 -> 2, --accumulation 1 -> 2"); false: there is none. */
bool limits_shrink(train_args *a, char *what, size_t n);

/* The machine's heat in a run. */
typedef struct limits_heat {
    eai_thermal now, worst;
    double paused; /* seconds */
} limits_heat;

/* Called between two steps: notes changes, and waits while the state is critical and nobody
 * interrupts. */
void limits_cool(limits_heat *h, eai_progress *p);

#endif
