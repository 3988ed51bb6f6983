/* Runs a fuzz target over the files of corpus folders, without any fuzzing engine, as an ordinary
 * test.
 *
 *     replay_gguf FOLDER...
 * Each file lies in memory of exactly its size, so that the address sanitizer sees a read beyond
 * it. A folder with fewer than 10 files fails: a corpus that got lost must not pass. A file that
 * crashed the target once joins its corpus and is replayed for ever. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LEAST_FILES 10

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
    struct stat info;
    FILE *f = fopen(path, "rb");

    if (!f || fstat(fileno(f), &info) != 0 || !S_ISREG(info.st_mode)) {
        fprintf(stderr, "cannot read %s\n", path);
        if (f)
            fclose(f);
        return 1;
    }
    size_t n = (size_t)info.st_size;
    uint8_t *bytes = malloc(n ? n : 1);
    int failed = !bytes || fread(bytes, 1, n, f) != n;
    fclose(f);
    if (!failed) {
        printf("%s (%zu bytes)\n", path, n);
        fflush(stdout); /* so that a crash shows its file */
        (void)LLVMFuzzerTestOneInput(bytes, n);
    }
    free(bytes);
    return failed;
}

static int replay_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    int n = 0;
    int failed = 0;

    if (!dir) {
        fprintf(stderr, "cannot open folder %s\n", folder);
        return 1;
    }
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        char path[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        failed |= replay_file(path);
        n++;
    }
    closedir(dir);
    if (n < LEAST_FILES) {
        fprintf(stderr, "%s: %d files, expected at least %d\n", folder, n, LEAST_FILES);
        failed = 1;
    }
    return failed;
}

int main(int argc, char **argv)
{
    int failed = argc < 2;

    for (int i = 1; i < argc; i++)
        failed |= replay_folder(argv[i]);
    return failed;
}
