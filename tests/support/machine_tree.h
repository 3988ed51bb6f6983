/* A machine that was recorded: tests/data/machine/NAME.tree, whose files are put below a folder. A
 * line "== /path" begins a file, a line "@" what had changed later; the lines before the first file
 * say what it is. */
#ifndef EAI_MACHINE_TREE_H
#define EAI_MACHINE_TREE_H

#include <stdbool.h>

/* Writes the files of the first part, or of the second one. */
void machine_tree_put(const char *folder, const char *name, bool later);

#endif
