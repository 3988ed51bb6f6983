/* The open file of a writer, for what eai_file_writer has no function for: permissions, or filling
 * it other than by write(). */
#ifndef EAI_BASE_FILE_WRITER_H
#define EAI_BASE_FILE_WRITER_H

#include <efficientai/fs.h>

/* Borrowed, until the writer is gone. Bytes that were given to it may still be on their way. */
int file_writer__fd(const eai_file_writer *w);

#endif
