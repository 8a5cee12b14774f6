/*
 * An enumeration and the words of its values from one table, a row per value: the value, its word, further columns.
 *
 *     #define DRAIN_STAGES(X)        \
 *         X(DRAIN_SERVING, "serving") \
 *         X(DRAIN_CLOSING, "closing")
 *     enum drain_stage { ENUM_VALUES(DRAIN_STAGES) };
 *     const char *drain_stage_name(enum drain_stage value);              in the header
 *     ENUM_NAME_FUNCTION(drain_stage_name, enum drain_stage, DRAIN_STAGES)   in the source
 *
 * Owns nothing. Thread: any. Errors: a number that is no value has the word "unknown".
 */
#ifndef EVENKEEL_STEADY_ENUM_NAMES_H
#define EVENKEEL_STEADY_ENUM_NAMES_H

#include <stddef.h>

#define ENUM_VALUE_OF_ROW(id, ...) id,
#define ENUM_ONE_OF_ROW(id, ...) +1
#define ENUM_NAME_OF_ROW(id, name, ...) [id] = name,
#define ENUM_DETAIL_OF_ROW(id, name, detail, ...) [id] = detail,

/* The enumerators, in the order of the rows. */
#define ENUM_VALUES(rows) rows(ENUM_VALUE_OF_ROW)
#define ENUM_COUNT(rows) (rows(ENUM_ONE_OF_ROW))
/* Initialisers of an array that the enumeration indexes: of the words, and of the column behind them. */
#define ENUM_NAMES(rows) rows(ENUM_NAME_OF_ROW)
#define ENUM_DETAILS(rows) rows(ENUM_DETAIL_OF_ROW)

#define ENUM_NAME_FUNCTION(function, type, rows) ENUM_FUNCTION_OF(function, type, ENUM_NAMES(rows))
/* The same of the column behind the words. */
#define ENUM_DETAIL_FUNCTION(function, type, rows) \
    ENUM_FUNCTION_OF(function, type, ENUM_DETAILS(rows))

#define ENUM_FUNCTION_OF(function, type, initialisers)                                    \
    const char *function(type value)                                                      \
    {                                                                                     \
        static const char *const texts[] = {initialisers};                                \
        return (size_t)value < sizeof texts / sizeof texts[0] ? texts[value] : "unknown"; \
    }

#endif
