/* Where things of a user go that are no files of his work: downloads, settings, what is remembered.
 *
 * On Linux by the XDG base directory specification, on macOS by Apple's file system guide where
 * none of its variables is set. Start at the table. */
#include <efficientai/fs.h>

#include <stdlib.h>

#include <efficientai/alloc.h>

#include "base/banned.h"

#ifdef __APPLE__
#define AT_HOME(linux_name, macos_name) macos_name
#else
#define AT_HOME(linux_name, macos_name) linux_name
#endif

typedef struct place {
    const char *what;
    const char *own; /* a variable of ours that names the folder itself */
    const char *xdg; /* one that names the folder of all programs' */
    const char *home;
} place;

/* clang-format off */
static const place cache  = {"cache",  "EFFICIENTAI_CACHE",  "XDG_CACHE_HOME",
                             AT_HOME(".cache/efficientai", "Library/Caches/efficientai")};
static const place state  = {"state",  "EFFICIENTAI_STATE_DIR",  "XDG_STATE_HOME",
                             AT_HOME(".local/state/efficientai", "Library/Application Support/efficientai/state")};
/* clang-format on */

static eai_status find_place(char **out, const place *p, eai_error *err)
{
    const char *own = getenv(p->own);
    const char *xdg = getenv(p->xdg);
    const char *home = getenv("HOME");

    *out = NULL;
    if (own && *own)
        *out = eai_strdup(own);
    else if (xdg && xdg[0] == '/') /* the specification: a relative one is to be ignored */
        *out = eai_path_join(xdg, "efficientai");
    else if (home && *home)
        *out = eai_path_join(home, p->home);
    else
        return eai_error_set(err, EAI_ERR_NOT_FOUND, "no %s folder: neither %s nor HOME is set",
                             p->what, p->own);
    return *out ? EAI_OK
                : eai_error_set(err, EAI_ERR_NOMEM, "no memory for the %s folder's name", p->what);
}

eai_status eai_fs_cache_dir(char **out, eai_error *err)
{
    return find_place(out, &cache, err);
}

eai_status eai_fs_state_dir(char **out, eai_error *err)
{
    return find_place(out, &state, err);
}
