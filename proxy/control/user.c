/* Looks the user up and becomes it. */
#include "proxy/control/user.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

bool user_find(const char *name, struct user *ret_user)
{
    errno = 0;
    const struct passwd *found = getpwnam(name);
    if (found == NULL) {
        return false;
    }
    *ret_user = (struct user){name, found->pw_uid, found->pw_gid};
    return true;
}

bool user_is_present(const struct user *user)
{
    return geteuid() == user->uid;
}

bool user_become(const struct user *user)
{
    return initgroups(user->name, user->gid) == 0 && setgid(user->gid) == 0 &&
           setuid(user->uid) == 0;
}

const char *user_error(void)
{
    return errno != 0 ? strerror(errno) : "no such user";
}
