/* Temporary files and folders beside their targets: names, the mark of a living owner, removal.
 *
 *     FOLDER/.NAME.tmp-PID-N
 * The leading dot hides them, PID says whose they are. A process that is killed leaves its own
 * behind. That a number of a process is free does not prove that its file is nobody's: the folder
 * may be shared with another container or machine, where numbers are others. So an owner holds a
 * shared lock (flock) on the file as long as it has the name, and whoever removes left-overs needs
 * the exclusive one, which the kernel gives only when nobody holds any. Start at temporary__open
 * and eai_fs_remove_left_overs. */
#ifndef EAI_BASE_TEMPORARY_H
#define EAI_BASE_TEMPORARY_H

#include <stddef.h>

#include <efficientai/error.h>

/* The part of a path in front of the last '/', with it: length 0 when there is none. */
size_t temporary__folder_length(const char *path);

/* A new empty file (open for writing) or folder (open, for itself alone) beside `target`, *fd its
 * lock. *name is new memory. On failure *fd is -1, *name NULL, and err, which names `what`, says
 * why. */
EAI_CHECKED eai_status temporary__open(int *fd, char **name, const char *target, const char *what,
                                       eai_error *err);
EAI_CHECKED eai_status temporary__open_folder(int *fd, char **name, const char *target,
                                              const char *what, eai_error *err);

/* A hard link to `from`, under a temporary name beside it; -1 with errno where none can be made.
 * Else the file open for reading, which holds the lock. *name is NULL on failure. */
int temporary__link(char **name, const char *from);

/* To the disk: a file or folder that is open. Files that cannot be synced (pipes, terminals) are
 * fine. 0, or -1 with errno. */
int temporary__sync(int fd);

/* The entries of the folder that holds `path`. */
EAI_CHECKED eai_status temporary__sync_folder_of(const char *path, const char *what,
                                                 eai_error *err);

#endif
