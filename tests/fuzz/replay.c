/* Stands in for a fuzzer's engine: feeds every file of the target's corpus to the target and says so in TAP. */

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length_bytes);

/* A file in a buffer of exactly its size, so that a sanitizer sees the first byte read past it; NULL if it is none. */
static uint8_t *read_whole(const char *path, size_t *ret_length_bytes)
{
    uint8_t *bytes = NULL;
    struct stat status;
    FILE *file = fopen(path, "rb");
    if (!file) {
        return NULL;
    }
    if (fstat(fileno(file), &status) == 0 && S_ISREG(status.st_mode)) {
        size_t size_bytes = (size_t)status.st_size;
        bytes = malloc(size_bytes);
        if (bytes && fread(bytes, 1, size_bytes, file) == size_bytes) {
            *ret_length_bytes = size_bytes;
        } else {
            free(bytes);
            bytes = NULL;
        }
    }
    fclose(file);
    return bytes;
}

static int replay(const char *folder, struct dirent **names, int name_count)
{
    int replayed_count = 0;
    for (int i = 0; i < name_count; i++) {
        char path[4096];
        size_t length_bytes = 0;
        snprintf(path, sizeof path, "%s/%s", folder, names[i]->d_name);
        free(names[i]);
        uint8_t *bytes = read_whole(path, &length_bytes);
        if (!bytes) {
            continue; /* "." and ".." */
        }
        fprintf(stderr, "# %s\n", path);
        LLVMFuzzerTestOneInput(bytes, length_bytes);
        free(bytes);
        replayed_count++;
    }
    free(names);
    return replayed_count;
}

int main(int argc, char **argv)
{
    (void)argc;
    const char *slash = strrchr(argv[0], '/');
    const char *name = slash ? slash + 1 : argv[0];
    const char *root = getenv("top_srcdir");
    char folder[2048];
    snprintf(folder, sizeof folder, "%s/tests/fuzz/corpus/%s", root ? root : ".", name);
    struct dirent **names = NULL;
    int name_count = scandir(folder, &names, NULL, alphasort);
    int replayed_count = name_count > 0 ? replay(folder, names, name_count) : 0;
    printf("1..1\n%sok 1 - %s replays its corpus of %d inputs\n", replayed_count > 0 ? "" : "not ",
           name, replayed_count);
    return replayed_count > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
