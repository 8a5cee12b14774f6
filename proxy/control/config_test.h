/*
 * `evenkeel -t`: everything that is wrong with a configuration, and the production checklist.
 *
 * Owns nothing; prints. Thread: main. For people, errors and warnings go to standard error and the checklist to standard
 * output; as JSON, all of it is one object on standard output, whose form docs/checklist.schema.json promises.
 */
#ifndef EVENKEEL_PROXY_CONTROL_CONFIG_TEST_H
#define EVENKEEL_PROXY_CONTROL_CONFIG_TEST_H

#include <stdbool.h>

/* The exit status. */
int config_test_run(const char *path, bool as_json);

#endif
