/* Time: seconds for measuring, a date for reports. Thread-safe. */
#ifndef EAI_CLOCK_H
#define EAI_CLOCK_H

#include <stddef.h>

#include <efficientai/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Seconds from some point in the past; never goes back. */
EAI_API double eai_clock_seconds(void);

/* Now as "2026-11-22T23:37:58Z" into buf (EAI_CLOCK_ISO_SIZE bytes are enough; "" when
 * they are too few); returns buf. */
#define EAI_CLOCK_ISO_SIZE 32
EAI_API char *eai_clock_iso(char *buf, size_t n);

#ifdef __cplusplus
}
#endif
#endif
