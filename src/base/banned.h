/* Functions that this code base does not use become compile errors.
 *
 * Why: each of them has either no bound (strcpy), no error (atoi), hidden state (strtok, rand) or
 * goes around the allocator that tests can make fail (malloc). Include this header last in every .c
 * file: it redefines names that system headers declare. base/alloc.c alone defines
 * EAI_ALLOW_MALLOC.
 *
 * Instead of               use
 *     strcpy, strcat,      eai_asprintf, eai_strbuf, memcpy with a known length, snprintf
 *     sprintf, strncpy
 *     strtok               strcspn and a pointer
 *     atoi, atof           strtoll, strtod with errno and the end checked
 *     malloc ...           eai_alloc ...
 *     gmtime, localtime    gmtime_r
 *     rand                 eai_rng */
#ifndef EAI_BANNED_H
#define EAI_BANNED_H

#define EAI_BANNED(name) sorry_##name##_is_a_banned_function

#undef strcpy
#undef strcat
#undef strncpy
#undef strncat
#undef sprintf
#undef vsprintf
#undef strtok
#undef gets
#undef atoi
#undef atol
#undef atof
#undef rand
#undef srand
#undef gmtime
#undef localtime
#undef ctime
#define strcpy(...)    EAI_BANNED(strcpy)
#define strcat(...)    EAI_BANNED(strcat)
#define strncpy(...)   EAI_BANNED(strncpy)
#define strncat(...)   EAI_BANNED(strncat)
#define sprintf(...)   EAI_BANNED(sprintf)
#define vsprintf(...)  EAI_BANNED(vsprintf)
#define strtok(...)    EAI_BANNED(strtok)
#define gets(...)      EAI_BANNED(gets)
#define atoi(...)      EAI_BANNED(atoi)
#define atol(...)      EAI_BANNED(atol)
#define atof(...)      EAI_BANNED(atof)
#define rand()         EAI_BANNED(rand)
#define srand(...)     EAI_BANNED(srand)
#define gmtime(...)    EAI_BANNED(gmtime)
#define localtime(...) EAI_BANNED(localtime)
#define ctime(...)     EAI_BANNED(ctime)

#ifndef EAI_ALLOW_MALLOC
#undef malloc
#undef calloc
#undef realloc
#undef strdup
#undef strndup
#define malloc(...)  EAI_BANNED(malloc)
#define calloc(...)  EAI_BANNED(calloc)
#define realloc(...) EAI_BANNED(realloc)
#define strdup(...)  EAI_BANNED(strdup)
#define strndup(...) EAI_BANNED(strndup)
#endif

#endif
