/* Marks of files, compared in rounds. */
#include "proxy/control/watched_files.h"

#include <stdlib.h>

#include "steady/check.h"

/* A look takes this many files, or this part of them if that is more, so that no look takes long and no round lasts. */
#define LOOK_FILES 64
#define LOOK_PART 4

bool watched_files_init(struct watched_files *files, size_t space)
{
    *files = (struct watched_files){.space = space};
    files->items = calloc(space + 1, sizeof *files->items);
    return files->items != NULL;
}

void watched_files_release(struct watched_files *files)
{
    text_index_release(&files->by_path);
    free(files->items);
    *files = (struct watched_files){.items = NULL};
}

struct watched_file *watched_files_add(struct watched_files *files, const char *path)
{
    struct watched_file *file = text_index_find(&files->by_path, path);
    if (file != NULL) {
        return file;
    }
    CHECK(files->count < files->space);
    file = &files->items[files->count];
    if (!text_index_add(&files->by_path, path, file)) {
        return NULL;
    }
    file->path = path;
    (void)file_mark_moved(&file->mark, path);
    files->count++;
    return file;
}

bool watched_files_look(struct watched_files *files)
{
    size_t part = files->count / LOOK_PART + 1;
    size_t most = part > LOOK_FILES ? part : LOOK_FILES;
    for (size_t i = 0; i < most && files->at < files->count; i++) {
        struct watched_file *file = &files->items[files->at++];
        file->moved = file_mark_moved(&file->mark, file->path);
    }
    if (files->at < files->count) {
        return false;
    }
    files->at = 0;
    return true;
}
