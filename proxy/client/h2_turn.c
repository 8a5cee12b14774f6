/* The order in which what HTTP/2 clients send is taken. */
#include "proxy/client/h2_turn.h"

#include "steady/deadline.h"

/* Full turns in a pass of the loop: what others wait for at the most is so many, of 0.1 to 0.3 ms each. */
#define PASS_FULL_TURNS 2u
/* A client that has spent some of its budgets is given its next turn so much later at the least, and two milliseconds for itself: however
   many of them there are, and whatever they send at the same time, it leaves time for others. */
#define SUSPECT_MS 50
#define SUSPECT_EACH_MS 2
#define SUSPECT_MOST_MS 1000

bool h2_turn_is_now(struct client *client)
{
    if (wheel_timer_armed(&client->h2->turn)) {
        return false;
    }
    if (worker_turns_of_pass(client->origin.worker)->full_count < PASS_FULL_TURNS) {
        return true;
    }
    client_run_soon(client);
    return false;
}

void h2_turn_note_full(struct worker *worker)
{
    worker_turns_of_pass(worker)->full_count++;
}

void h2_turn_wait(struct client *client)
{
    if (h2_session_is_suspect(client->h2->session, worker_now_ms(client->origin.worker))) {
        h2_turn_delay(client);
    } else {
        client_run_soon(client);
    }
}

void h2_turn_delay(struct client *client)
{
    struct worker *worker = client->origin.worker;
    struct worker_turns *turns = &worker->open.turns;
    uint64_t now_ms = worker_now_ms(worker), at_ms = deadline_after(now_ms, SUSPECT_MS);
    if (at_ms < turns->suspect_ms + SUSPECT_EACH_MS) {
        at_ms = deadline_earlier(turns->suspect_ms + SUSPECT_EACH_MS,
                                 deadline_after(now_ms, SUSPECT_MOST_MS));
    }
    turns->suspect_ms = at_ms;
    wheel_arm(&worker->loop.wheel, &client->h2->turn, at_ms);
}

void h2_turn_on_due(struct wheel_timer *timer, uint64_t now_ms)
{
    (void)now_ms;
    client_run_soon(container_of(timer, struct h2_client, turn)->client);
}
