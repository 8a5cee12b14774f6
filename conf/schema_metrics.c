/* Kinds of values for `metrics`: the edges of buckets. */
#include <math.h>
#include <string.h>

#include "conf/schema_fields.h"
#include "conf/schema_types.h"
#include "conf/value.h"

#define EDGE_LEAST_US 100
#define EDGE_MOST_US 3600e6

/* Units of times that may be shorter than those of durations; the longest name that fits counts. */
static const struct {
    const char *name;
    double us;
} units[] = {{"us", 1}, {"ms", 1e3}, {"s", 1e6}, {"m", 60e6}};

/* 0: not an edge. */
static uint64_t edge_us_of(const char *text)
{
    char digits[32];
    size_t length = strspn(text, "0123456789.");
    double number;
    if (length == 0 || length >= sizeof digits) {
        return 0;
    }
    memcpy(digits, text, length);
    digits[length] = '\0';
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(text + length, units[i].name) == 0 && value_number(digits, &number)) {
            double us = round(number * units[i].us);
            return us >= EDGE_LEAST_US && us <= EDGE_MOST_US ? (uint64_t)us : 0;
        }
    }
    return 0;
}

/* In ascending order, and no more than METRICS_BUCKETS_MOST. */
static bool take_edge(struct arena *arena, const struct schema_row *row, void *element,
                      const char *text)
{
    struct schema_list *list = field_of(element, row->at);
    const uint64_t *edges = list->items;
    uint64_t edge_us = edge_us_of(text);
    if (edge_us == 0 || list->count == METRICS_BUCKETS_MOST ||
        (list->count > 0 && edges[list->count - 1] >= edge_us)) {
        return false;
    }
    uint64_t *added = schema_list_add(arena, list, sizeof *added);
    if (added != NULL) {
        *added = edge_us;
    }
    return added != NULL;
}

static void print_edges(const struct schema_row *row, const void *element, FILE *out)
{
    const struct schema_list *list = field_in(element, row->at);
    const uint64_t *edges = list->items;
    for (size_t i = 0; i < list->count; i++) {
        size_t unit = sizeof units / sizeof units[0] - 1;
        while (unit > 0 && (double)edges[i] < units[unit].us) {
            unit--;
        }
        fprintf(out, "%s\"%.15g%s\"", i > 0 ? ", " : "", (double)edges[i] / units[unit].us,
                units[unit].name);
    }
}

const struct schema_type type_edge_list = {
    .name = "list of times",
    .expected = "a time between 100us and 60m such as \"2.5ms\", longer than the one before it; "
                "at most 30 of them",
    .quoted = true,
    .list = true,
    .take = take_edge,
    .print = print_edges,
};
