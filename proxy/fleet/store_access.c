/* Reading what a store asks for. */
#include "proxy/fleet/store_access.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PASSWORD_BYTES_MOST 1024

struct store_access {
    struct tls_client *tls;
    char password[PASSWORD_BYTES_MOST + 2];
};

const char *store_access_password(const struct store_access *access)
{
    return access->password;
}

struct tls_client *store_access_tls(const struct store_access *access)
{
    return access->tls;
}

void store_access_free(struct store_access **access)
{
    if (*access != NULL) {
        tls_client_put(&(*access)->tls);
        explicit_bzero(*access, sizeof **access);
        free(*access);
    }
    *access = NULL;
}

/* The first line of the file. NULL: good; else what is wrong. */
static const char *read_password(const char *path, char *password, size_t space)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return strerror(errno);
    }
    ssize_t n = read(fd, password, space - 1);
    const char *wrong = n < 0 ? strerror(errno) : NULL;
    bool exposed = fstat(fd, &status) != 0 || (status.st_mode & (S_IROTH | S_IWOTH)) != 0;
    close(fd);
    if (wrong != NULL) {
        return wrong;
    }
    password[n] = '\0';
    password[strcspn(password, "\r\n")] = '\0';
    if (exposed) {
        return "other users may read it: chmod o-rw";
    }
    return *password == '\0'                        ? "its first line is empty"
           : strlen(password) > PASSWORD_BYTES_MOST ? "its first line is too long"
                                                    : NULL;
}

bool store_access_load(struct tls_clients *tls, const struct fleet_settings *fleet,
                       struct store_access **ret_access, char *why, size_t why_bytes)
{
    struct store_access *access = calloc(1, sizeof *access);
    const char *wrong = access == NULL ? "no memory" : NULL;
    if (wrong == NULL && *fleet->password_file != '\0') {
        wrong = read_password(fleet->password_file, access->password, sizeof access->password);
    }
    if (wrong != NULL) {
        snprintf(why, why_bytes, "fleet.password_file %s: %s", fleet->password_file, wrong);
        store_access_free(&access);
        return false;
    }
    if (fleet->tls.enabled &&
        tls_client_obtain(tls, &fleet->tls, &access->tls, why, why_bytes) != TLS_CLIENT_OK) {
        store_access_free(&access);
        return false;
    }
    *ret_access = access;
    return true;
}
