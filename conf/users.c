/* Reading users. */
#include "conf/users.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/read_text.h"
#include "conf/schema.h"
#include "steady/hash.h"

#define FILE_MOST_BYTES ((size_t)1024 * 1024)
/* Each step doubles the time: 16 takes seconds. */
#define BCRYPT_MOST_COST 15
#define BCRYPT_BYTES 60
#define SHA512_MOST_ROUNDS 1000000ul

/* NULL: it can be used; else what is wrong with it. */
typedef const char *judge_fn(const char *hash);

static const char *judge_bcrypt(const char *hash)
{
    if (strlen(hash) != BCRYPT_BYTES || hash[6] != '$') {
        return "a bcrypt hash that is not whole";
    }
    return strtoul(hash + 4, NULL, 10) > BCRYPT_MOST_COST
               ? "a bcrypt hash whose cost is above 15, which takes seconds"
               : NULL;
}

static const char *judge_sha512(const char *hash)
{
    static const char rounds[] = "$6$rounds=";
    if (strncmp(hash, rounds, sizeof rounds - 1) == 0 &&
        strtoul(hash + sizeof rounds - 1, NULL, 10) > SHA512_MOST_ROUNDS) {
        return "a SHA-512 hash with more than a million rounds, which takes seconds";
    }
    const char *last = strrchr(hash, '$');
    return last == hash + 2 || strlen(last + 1) != 86 ? "a SHA-512 hash that is not whole" : NULL;
}

static const char *judge_yescrypt(const char *hash)
{
    const char *last = strrchr(hash, '$');
    return last == hash + 2 || strlen(last + 1) != 43 ? "a yescrypt hash that is not whole" : NULL;
}

static const char *judge_md5(const char *hash)
{
    (void)hash;
    return "an MD5 hash, which is guessed at billions a second";
}

static const char *judge_sha1(const char *hash)
{
    (void)hash;
    return "a SHA-1 hash, which is guessed at billions a second";
}

static const char *judge_sha256(const char *hash)
{
    (void)hash;
    return "a SHA-256 hash, which is not taken";
}

/* "" takes the rest: what has no mark is a password, or a hash of the time of DES. */
static const char *judge_plain(const char *hash)
{
    (void)hash;
    return "no hash that is known; a password in plain text is not taken";
}

static const struct {
    const char *mark;
    judge_fn *judge;
} kinds[] = {{"$2y$", judge_bcrypt},  {"$2b$", judge_bcrypt}, {"$2a$", judge_bcrypt},
             {"$y$", judge_yescrypt}, {"$6$", judge_sha512},  {"$apr1$", judge_md5},
             {"$1$", judge_md5},      {"{SHA}", judge_sha1},  {"{SSHA}", judge_sha1},
             {"$5$", judge_sha256},   {"", judge_plain}};

static const char *judge(const char *hash)
{
    size_t i = 0;
    while (strncmp(hash, kinds[i].mark, strlen(kinds[i].mark)) != 0) {
        i++;
    }
    return strlen(hash) > USERS_HASH_BYTES ? "a hash that is too long" : kinds[i].judge(hash);
}

/* Where in a file something is wrong, and what. */
struct fault {
    const char *file;
    unsigned line;
    char *why;
};

static bool refuse_hash(const struct fault *at, const char *name, const char *what)
{
    snprintf(at->why, USERS_WHY_BYTES, "%s:%u: user \"%.64s\" has %s: write htpasswd -B %s %.64s",
             at->file, at->line, name, what, at->file, name);
    return false;
}

static bool refuse_line(const struct fault *at, const char *what)
{
    snprintf(at->why, USERS_WHY_BYTES, "%s:%u: %s", at->file, at->line, what);
    return false;
}

static bool add_user(struct arena *arena, struct schema_list *users, const char *name,
                     const char *hash)
{
    struct auth_user *user = schema_list_add(arena, users, sizeof *user);
    if (user == NULL) {
        return false;
    }
    user->name = arena_text(arena, name, strlen(name));
    user->hash = arena_text(arena, hash, strlen(hash));
    return user->name != NULL && user->hash != NULL;
}

static bool take_line(struct arena *arena, char *line, struct schema_list *users,
                      const struct fault *at)
{
    line[strcspn(line, "\r")] = '\0';
    if (line[0] == '\0' || line[0] == '#') {
        return true;
    }
    char *colon = strchr(line, ':');
    if (colon == NULL || colon == line) {
        return refuse_line(at, "expected NAME:HASH, as htpasswd -B writes it");
    }
    *colon = '\0';
    char *hash = colon + 1;
    hash[strcspn(hash, ":")] = '\0'; /* what follows is a comment */
    const char *what = judge(hash);
    if (what != NULL) {
        return refuse_hash(at, line, what);
    }
    return add_user(arena, users, line, hash) || refuse_line(at, "no memory");
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct auth_user *)a)->name, ((const struct auth_user *)b)->name);
}

static bool check_all(struct auth_basic_settings *basic, char *why)
{
    for (size_t i = 1; i < basic->user_count; i++) {
        if (strcmp(basic->users[i - 1].name, basic->users[i].name) == 0) {
            snprintf(why, USERS_WHY_BYTES, "%s: user \"%.64s\" is there twice", basic->file,
                     basic->users[i].name);
            return false;
        }
    }
    if (basic->user_count == 0) {
        snprintf(why, USERS_WHY_BYTES, "%s: has no user: write htpasswd -B %s NAME", basic->file,
                 basic->file);
    }
    return basic->user_count > 0;
}

bool users_parse(struct arena *arena, char *text, struct auth_basic_settings *basic,
                 char why[USERS_WHY_BYTES])
{
    struct schema_list users = {NULL, 0};
    struct fault at = {basic->file, 0, why};
    basic->mark = hash_bytes(0, text, strlen(text));
    char *rest = text, *line;
    while ((line = strsep(&rest, "\n")) != NULL) {
        at.line++;
        if (!take_line(arena, line, &users, &at)) {
            return false;
        }
    }
    basic->users = users.items;
    basic->user_count = users.count;
    if (users.count > 0) {
        qsort(basic->users, basic->user_count, sizeof *basic->users, by_name);
    }
    return check_all(basic, why);
}

bool users_read(struct arena *arena, const struct settings_reading *reading,
                struct auth_basic_settings *basic, char why[USERS_WHY_BYTES])
{
    size_t bytes;
    const char *reason;
    char *text = read_text(basic->file, true, FILE_MOST_BYTES, reading, &bytes, &reason);
    if (text == NULL) {
        snprintf(why, USERS_WHY_BYTES, "%s: %s", basic->file, reason);
        return false;
    }
    bool read = users_parse(arena, text, basic, why);
    explicit_bzero(text, bytes);
    free(text);
    return read;
}
