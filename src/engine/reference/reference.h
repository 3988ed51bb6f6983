/* The "reference" backend: every operation in plain C and float64.
 *
 * Why: it is the definition that the fast backends, the gradient rules and the lowerings are
 * compared with. It is meant to be read like a textbook, one function a row of ops.def, and to be
 * right; it is slow, has one thread, and is never chosen by itself. Start at backend.c for the
 * table, at elementwise.c or attention.c for the operations. */
#ifndef EAI_ENGINE_REFERENCE_H
#define EAI_ENGINE_REFERENCE_H

#include "graph/backend.h"

/* Opens the backend; opts may be NULL, its threads and precision are ignored. An instruction set
 * named in opts is an error: there is none. */
EAI_CHECKED eai_status reference__open(eai_backend **out, const eai_backend_opts *opts,
                                       eai_error *err);

#endif
