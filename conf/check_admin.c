/* Checks of the admin listener: whoever can reach it from elsewhere has to show a token. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "conf/admin_access.h"
#include "conf/check.h"
#include "conf/load.h"

/* A group may read it: so a secret gets into a container. */
#define TOKEN_FILE_OPEN (S_IRWXO | S_IWGRP)

static void check_token_mode(struct loading *loading, const char *path)
{
    struct stat info;
    if (stat(path, &info) == 0 && (info.st_mode & TOKEN_FILE_OPEN) != 0) {
        loading_report(loading, SETTINGS_WARNING, "admin.token_file",
                       "%s has mode %04o, so others than its owner know or change the tokens: "
                       "write chmod 600 %s",
                       path, (unsigned)info.st_mode & 07777, path);
    }
}

static void check_tokens(struct loading *loading)
{
    struct admin_settings *admin = &loading->settings->admin;
    char why[ADMIN_ACCESS_WHY_BYTES];
    if (admin_tokens_read(&loading->arena, loading->reading, admin, why)) {
        check_token_mode(loading, admin->token_file);
    } else {
        loading_report(loading, SETTINGS_ERROR, "admin.token_file", "%s", why);
    }
}

void check_admin(struct loading *loading)
{
    const struct admin_settings *admin = &loading->settings->admin;
    if (admin->token_file[0] != '\0') {
        check_tokens(loading);
    } else if (!admin_is_guarded(&admin->listen, admin)) {
        loading_report(loading, SETTINGS_ERROR, "admin.listen",
                       "%s can be reached from other machines, and nobody is asked who they are: "
                       "write token_file = \"FILE\" beside it, with the output of openssl rand "
                       "-hex 32 in FILE, or listen on 127.0.0.1 or unix:/PATH",
                       admin->listen_text);
    }
}
