/* Writes the configuration reference, its man page and the sample from the schema. */
#include <stdio.h>
#include <string.h>

#include "conf/schema.h"
#include "conf/value.h"

struct style {
    const char *name;
    void (*begin)(void);
    void (*section)(const struct schema_section *section);
    void (*row)(const struct schema_section *section, const struct schema_row *row);
    void (*end)(void);
};

static const char intro[] =
    "A configuration is a file in the syntax of libconfig; lists of groups may also be written with [ ], and a comma may follow the last element. Listeners and routes must be set, and the upstreams that routes ask for; every other key has a default. "
    "Write durations and sizes as texts with a unit: \"250ms\", \"15m\", \"1h30m\"; \"64KiB\", or in short \"64k\", \"20M\", \"4G\" (powers of 1024). A number without a unit is an error, and a duration "
    "of zero is an error except where the range allows it. An unknown key is an error that names the nearest known key. `include = [ \"conf.d/*.conf\" ];` adds the "
    "listeners, upstreams and routes of these files, in the order of their names, where it stands; @include \"FILE\" on a line of its own puts the text of another file there. A relative path "
    "starts at the directory of the file that includes it. In every text \"${NAME}\" stands for a variable of the environment, and \"${NAME:-default}\" for one that may be missing or empty; \"$${\" is a plain \"${\". `evenkeel -t -c FILE` tests a file. `evenkeel -T -c FILE` prints it with all "
    "defaults.";

static const char *full_path(const struct schema_section *section, const struct schema_row *row)
{
    static char path[256];
    const char *middle = section->shape == SCHEMA_NAMED  ? ".NAME."
                         : section->shape == SCHEMA_LIST ? "."
                                                         : "";
    snprintf(path, sizeof path, "%s%s%s", section->name, middle, row->path);
    return path;
}

static const char *range_of(const struct schema_row *row)
{
    static char text[512];
    char low[VALUE_TEXT_BYTES], high[VALUE_TEXT_BYTES];
    text[0] = '\0';
    if (row->words != NULL) {
        for (size_t i = 0; row->words[i] != NULL; i++) {
            size_t used = strlen(text);
            snprintf(text + used, sizeof text - used, "%s\"%s\"", i > 0 ? ", " : "", row->words[i]);
        }
        return text;
    }
    if (row->min == 0 && row->max == 0) {
        return text;
    }
    schema_range(row, low, high);
    snprintf(text, sizeof text, "%s to %s", low, high);
    return text;
}

/* The default as it would stand in a file. */
static const char *preset_of(const struct schema_row *row)
{
    static char text[512];
    if (row->preset == NULL) {
        return row->type->list ? "[ ]" : "none";
    }
    if (!row->type->list) {
        snprintf(text, sizeof text, row->type->quoted || schema_takes_auto(row) ? "\"%s\"" : "%s",
                 row->preset);
        return text;
    }
    char copy[256];
    snprintf(copy, sizeof copy, "%s", row->preset);
    snprintf(text, sizeof text, "[ ");
    char *rest = copy;
    while (rest != NULL) {
        const char *one = strsep(&rest, ",");
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "\"%s\"%s", one, rest != NULL ? ", " : " ]");
    }
    return text;
}

static const char *notes_of(const struct schema_row *row)
{
    return row->fixed ? " (read at the start only)" : "";
}

/* ---- markdown ---- */

static void markdown_begin(void)
{
    printf(
        "# Configuration\n\n<!-- written from conf/schema_*.c by conf/gendoc; edit that and run `make docs` -->\n\n%s\n",
        intro);
}

static void markdown_section(const struct schema_section *section)
{
    printf(
        "\n## %s\n\n%s.\n\n| key | type | default | range | meaning |\n| --- | --- | --- | --- | --- |\n",
        section->name[0] != '\0' ? section->name : "At the top", section->help);
}

static void markdown_row(const struct schema_section *section, const struct schema_row *row)
{
    printf("| `%s` | %s | `%s` | %s | %s%s |\n", full_path(section, row), row->type->name,
           preset_of(row), range_of(row), row->help, notes_of(row));
}

static void markdown_end(void)
{
}

/* ---- man ---- */

static void man_text(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '-' || *text == '\\') {
            putchar('\\');
        }
        putchar(*text);
    }
}

static void man_begin(void)
{
    printf(
        ".\\\" written from conf/schema_*.c by conf/gendoc\n.TH EVENKEEL.CONF 5 \"\" \"Evenkeel\" \"Evenkeel\"\n.SH NAME\n"
        "evenkeel.conf \\- configuration of evenkeel(8)\n.SH DESCRIPTION\n");
    man_text(intro);
    putchar('\n');
}

static void man_section(const struct schema_section *section)
{
    printf(".SH %s\n", section->name[0] != '\0' ? section->name : "TOP");
    man_text(section->help);
    printf(".\n");
}

static void man_row(const struct schema_section *section, const struct schema_row *row)
{
    printf(".TP\n.B ");
    man_text(full_path(section, row));
    printf("\n");
    man_text(row->help);
    man_text(notes_of(row));
    printf(".\n.br\n");
    man_text(row->type->name);
    printf(", default ");
    man_text(preset_of(row));
    if (range_of(row)[0] != '\0') {
        printf(", ");
        man_text(range_of(row));
    }
    printf("\n");
}

static void man_end(void)
{
    printf(".SH SEE ALSO\n.BR evenkeel (8)\n");
}

/* ---- sample ---- */

static void sample_begin(void)
{
    printf(
        "# Every key of an evenkeel configuration. Lines that begin with \"# KEY = \" show the default of a key and can be removed.\n"
        "# The other keys must be set, and have the value of an example. `evenkeel -t -c FILE` tests a configuration.\n");
}

static const char *sample_value(const struct schema_section *section, const struct schema_row *row)
{
    static const struct {
        const char *path, *value;
    } examples[] = {{"listeners.listen", "\"0.0.0.0:8080\""},
                    {"upstreams.endpoints", "[ \"127.0.0.1:8081\", \"127.0.0.1:8082\" ]"},
                    {"routes.name", "\"all\""},
                    {"routes.upstream", "\"app\""}};
    char path[256];
    snprintf(path, sizeof path, "%s.%s", section->name, row->path);
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        if (strcmp(examples[i].path, path) == 0) {
            return examples[i].value;
        }
    }
    return NULL;
}

static void sample_indent(size_t depth, const char *mark)
{
    printf("%*s%s", (int)depth * 2, "", mark);
}

/* Closes groups until `open` begins the path, then opens what is missing. All groups are comments: their keys have defaults. */
static void sample_groups(char *open, size_t open_bytes, const char *path, size_t depth,
                          size_t *levels)
{
    while (open[0] != '\0' && (strncmp(path, open, strlen(open)) != 0)) {
        *levels -= 1;
        sample_indent(depth + *levels, "# };\n");
        open[strlen(open) - 1] = '\0';
        char *dot = strrchr(open, '.');
        *(dot != NULL ? dot + 1 : open) = '\0';
    }
    const char *rest = path + strlen(open);
    for (const char *dot = strchr(rest, '.'); dot != NULL; dot = strchr(rest, '.')) {
        sample_indent(depth + *levels, "# ");
        printf("%.*s = {\n", (int)(dot - rest), rest);
        *levels += 1;
        snprintf(open, open_bytes, "%.*s", (int)(dot + 1 - path), path);
        rest = dot + 1;
    }
}

static void sample_element(const struct schema_section *section, size_t depth)
{
    char open[128] = "";
    size_t levels = 0;
    for (const struct schema_row *row = section->rows; row->path != NULL; row++) {
        sample_groups(open, sizeof open, row->path, depth, &levels);
        const char *example = sample_value(section, row);
        const char *name = row->path + strlen(open);
        sample_indent(depth + levels, "# ");
        printf("%s%s\n", row->help, notes_of(row));
        sample_indent(depth + levels, example != NULL ? "" : "# ");
        printf("%s = %s;\n", name, example != NULL ? example : preset_of(row));
    }
    sample_groups(open, sizeof open, "", depth, &levels);
}

static void sample_section(const struct schema_section *section)
{
    printf("\n# ---- %s%s%s ----\n", section->name, section->name[0] != '\0' ? ": " : "",
           section->help);
    if (section->shape == SCHEMA_NAMED) {
        printf("%s = {\n  %s = {\n", section->name,
               strcmp(section->name, "upstreams") == 0 ? "app" : "web");
        sample_element(section, 2);
        printf("  };\n};\n");
    } else if (section->shape == SCHEMA_LIST) {
        printf("%s = (\n  {\n", section->name);
        sample_element(section, 2);
        printf("  }\n);\n");
    } else {
        sample_element(section, 0);
    }
}

static void no_row(const struct schema_section *section, const struct schema_row *row)
{
    (void)section;
    (void)row;
}

static const struct style styles[] = {
    {"--markdown", markdown_begin, markdown_section, markdown_row, markdown_end},
    {"--man", man_begin, man_section, man_row, man_end},
    {"--sample", sample_begin, sample_section, no_row, markdown_end},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 2 && i < sizeof styles / sizeof styles[0]; i++) {
        if (strcmp(argv[1], styles[i].name) != 0) {
            continue;
        }
        styles[i].begin();
        for (const struct schema_section *section = schema_sections; section->name != NULL;
             section++) {
            styles[i].section(section);
            for (const struct schema_row *row = section->rows; row->path != NULL; row++) {
                styles[i].row(section, row);
            }
        }
        styles[i].end();
        return fflush(stdout) == 0 ? 0 : 1;
    }
    fputs("usage: gendoc --markdown | --man | --sample\n", stderr);
    return 1;
}
