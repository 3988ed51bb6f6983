/* A mapped file that becomes shorter while it is read. */
#ifndef EAI_CLI_LOST_FILE_H
#define EAI_CLI_LOST_FILE_H

/* From now on reading a mapped page that its file no longer has ends the program with one line that
 * names the file, and exit status 1, in place of a death by SIGBUS. Nothing happens when somebody
 * else handles that signal already. */
void lost_file__watch(void);

#endif
