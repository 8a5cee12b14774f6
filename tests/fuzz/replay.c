/* Stands in for a fuzzer's engine: feeds every file of the target's corpus to the target and says so in TAP. */

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length_bytes);

/* The file in a buffer of exactly its size, so that a sanitizer sees the first byte read past it. */
static uint8_t *read_whole(const char *path, size_t *ret_length_bytes)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    long size_bytes = -1;
    if (fseek(file, 0, SEEK_END) == 0)
        size_bytes = ftell(file);
    rewind(file);
    uint8_t *bytes = size_bytes >= 0 ? malloc((size_t)size_bytes) : NULL;
    if (bytes && fread(bytes, 1, (size_t)size_bytes, file) != (size_t)size_bytes) {
        free(bytes);
        bytes = NULL;
    }
    fclose(file);
    if (bytes)
        *ret_length_bytes = (size_t)size_bytes;
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
        if (!bytes)
            continue; /* "." and ".." */
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
