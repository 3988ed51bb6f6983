/* What the reader and the writer of GGUF share. The format is described in gguf.c. */
#ifndef EAI_FORMATS_GGUF_H
#define EAI_FORMATS_GGUF_H

#include "formats/weights_internal.h"

#define GGUF__ALIGNMENT     32 /* of tensors, where the file does not say */
#define GGUF__MAX_ALIGNMENT 65536
#define GGUF__MAX_DIMS      4

/* Types of metadata, by their numbers in the file. */
typedef enum gguf__type {
    GGUF__U8,
    GGUF__I8,
    GGUF__U16,
    GGUF__I16,
    GGUF__U32,
    GGUF__I32,
    GGUF__F32,
    GGUF__BOOL,
    GGUF__STRING,
    GGUF__ARRAY,
    GGUF__U64,
    GGUF__I64,
    GGUF__F64,
    GGUF__COUNT
} gguf__type;

/* GGUF's number of a storage type; false when it has none. */
bool gguf__find_number(uint32_t *out, eai_dtype t);

/* Metadata "general.alignment", or GGUF__ALIGNMENT. EAI_ERR_FORMAT for what is not allowed. */
eai_status gguf__read_alignment(uint64_t *out, const eai_weights *w, eai_error *err);

#endif
