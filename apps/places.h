/* Where this program lies: its installation, or the source tree and the build folder that it came
 * from. All are found at run time, from the program's own path; nothing is compiled in. New memory,
 * freed with eai_free; NULL when there is no such place, or no memory. */
#ifndef EAI_APPS_PLACES_H
#define EAI_APPS_PLACES_H

/* The folder above bin/: "/usr/local" of "/usr/local/bin/efficientai". */
char *places_prefix(void);

/* The build folder, when the program was not installed: the one that has CMakeCache.txt. */
char *places_build(void);

/* The source tree: that of the build folder, or the one that the current folder is in: a folder
 * with projects/ and include/efficientai/project.h. */
char *places_source(void);

/* projects/template of the source tree, or PREFIX/share/efficientai/template. */
char *places_template(void);

/* The file of a program of this name on PATH. */
char *places_program(const char *name);

#endif
