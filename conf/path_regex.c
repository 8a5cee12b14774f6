/* PCRE2, and nothing of it leaves this file. */
#include "conf/path_regex.h"

#include <stdio.h>
#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/* Calls of the matcher, far above what a path of some KiB needs of a sane expression; reached in about a millisecond. */
#define STEPS_MAX 100000
/* Of the interpreter, where there is no machine code: nested backtracking points, and their memory. */
#define DEPTH_MAX 1000
#define HEAP_KIB_MAX 256
/* Of machine code, which has 32 KiB of the thread's stack otherwise: too little for a group that repeats over a long path. */
#define JIT_STACK_FIRST_BYTES ((size_t)32 * 1024)
#define JIT_STACK_MAX_BYTES ((size_t)1024 * 1024)

struct path_regex {
    pcre2_code *code;
    uint32_t group_count;
};

struct path_regex_scratch {
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
};

struct path_regex *path_regex_create(const char *text, char why[PATH_REGEX_WHY_BYTES])
{
    int error;
    PCRE2_SIZE at;
    struct path_regex *regex = calloc(1, sizeof *regex);
    if (regex == NULL) {
        snprintf(why, PATH_REGEX_WHY_BYTES, "no memory");
        return NULL;
    }
    /* Bytes, not characters: a path is bytes, and an invalid sequence is no error. A decoded line break is a byte like others. */
    regex->code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED,
                                PCRE2_DOTALL | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C |
                                    PCRE2_NEVER_UTF | PCRE2_NEVER_UCP,
                                &error, &at, NULL);
    if (regex->code == NULL) {
        PCRE2_UCHAR words[128];
        pcre2_get_error_message(error, words, sizeof words);
        snprintf(why, PATH_REGEX_WHY_BYTES, "%s at character %zu", (const char *)words, at + 1);
        free(regex);
        return NULL;
    }
    /* Without it the interpreter matches, within the same limits. */
    (void)pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE);
    (void)pcre2_pattern_info(regex->code, PCRE2_INFO_CAPTURECOUNT, &regex->group_count);
    return regex;
}

void path_regex_free(struct path_regex **regex_pointer)
{
    if (*regex_pointer != NULL) {
        pcre2_code_free((*regex_pointer)->code);
        free(*regex_pointer);
        *regex_pointer = NULL;
    }
}

unsigned path_regex_group_count(const struct path_regex *regex)
{
    return regex->group_count;
}

struct path_regex_scratch *path_regex_scratch_create(void)
{
    struct path_regex_scratch *scratch = calloc(1, sizeof *scratch);
    if (scratch == NULL) {
        return NULL;
    }
    scratch->data = pcre2_match_data_create(PATH_REGEX_CAPTURES, NULL);
    scratch->context = pcre2_match_context_create(NULL);
    scratch->stack = pcre2_jit_stack_create(JIT_STACK_FIRST_BYTES, JIT_STACK_MAX_BYTES, NULL);
    if (scratch->data == NULL || scratch->context == NULL || scratch->stack == NULL) {
        path_regex_scratch_free(&scratch);
        return NULL;
    }
    pcre2_jit_stack_assign(scratch->context, NULL, scratch->stack);
    pcre2_set_match_limit(scratch->context, STEPS_MAX);
    pcre2_set_depth_limit(scratch->context, DEPTH_MAX);
    pcre2_set_heap_limit(scratch->context, HEAP_KIB_MAX);
    return scratch;
}

void path_regex_scratch_free(struct path_regex_scratch **scratch_pointer)
{
    struct path_regex_scratch *scratch = *scratch_pointer;
    if (scratch != NULL) {
        pcre2_match_data_free(scratch->data);
        pcre2_match_context_free(scratch->context);
        pcre2_jit_stack_free(scratch->stack);
        free(scratch);
        *scratch_pointer = NULL;
    }
}

static void take_captures(const struct path_regex_scratch *scratch, unsigned count,
                          const char *path, struct path_captures *ret_captures)
{
    const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(scratch->data);
    *ret_captures = (struct path_captures){.of = {{NULL, 0}}};
    for (unsigned i = 0; i < count && i < PATH_REGEX_CAPTURES; i++) {
        /* \K in a lookahead may put the end before the beginning */
        if (ends[2 * i] != PCRE2_UNSET && ends[2 * i + 1] >= ends[2 * i]) {
            ret_captures->of[i].at = path + ends[2 * i];
            ret_captures->of[i].bytes = ends[2 * i + 1] - ends[2 * i];
        }
    }
}

enum path_regex_result path_regex_match(const struct path_regex *regex,
                                        struct path_regex_scratch *scratch, const char *path,
                                        size_t path_bytes, struct path_captures *ret_captures)
{
    int count = pcre2_match(regex->code, (PCRE2_SPTR)path, path_bytes, 0, 0, scratch->data,
                            scratch->context);
    if (count == PCRE2_ERROR_NOMATCH) {
        return PATH_REGEX_NO_MATCH;
    }
    if (count < 0) {
        return PATH_REGEX_CUT;
    }
    if (ret_captures != NULL) {
        /* 0: there are more groups than room */
        take_captures(scratch, count == 0 ? PATH_REGEX_CAPTURES : (unsigned)count, path,
                      ret_captures);
    }
    return PATH_REGEX_MATCH;
}
