/*
 * Units of the ranges in the schema: milliseconds and bytes.
 *
 * Owns nothing. Thread: any. Private to the schema's rows.
 */
#ifndef EVENKEEL_CONF_SCHEMA_UNITS_H
#define EVENKEEL_CONF_SCHEMA_UNITS_H

#define MS 1.0
#define SECOND 1000.0
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define KIB 1024.0
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

#endif
