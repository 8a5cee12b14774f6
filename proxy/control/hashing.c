/* Threads for hashes. */
#include "proxy/control/hashing.h"

#include "proxy/control/control_state.h"
#include "steady/task_pool.h"

/* Hashes of the clients of a lane that wait or run. */
#define LANE_CHECKS 16

/* The clients of one lane may use all threads while no others do. */
bool hashing_start(struct control *control)
{
    unsigned threads = control->generations.settings->worker_count;
    const struct task_pool_env env = {.thread_name = "passwords",
                                      .tasks = &control->limits.shared.password_checks,
                                      .thread_limit = threads,
                                      .lane_thread_limit = threads,
                                      .lane_task_limit = LANE_CHECKS};
    control->workers.hashing = task_pool_create(&env);
    if (control->workers.hashing == NULL) {
        log_error(control->log, "start: no memory");
    }
    return control->workers.hashing != NULL;
}
