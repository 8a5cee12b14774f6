/*
 * When an HTTP/2 client may take what it has sent: what one turn is worth, the session says (h2_session_take_turn()); when the next one
 * is, this file. Few turns of a pass may be full ones, and suspects get theirs one after the other, so that other clients are served in
 * between, however many do what costs the most.
 *
 * Owns: nothing; the timer is the client's, the counts are the worker's. Thread: the worker's. Time base: the loop clock. Private to
 * client/.
 */
#ifndef EVENKEEL_PROXY_CLIENT_H2_TURN_H
#define EVENKEEL_PROXY_CLIENT_H2_TURN_H

#include "proxy/client/h2_client.h"

/* False: the client waits, and is run again when it is its turn. */
bool h2_turn_is_now(struct client *client);
/* A turn has taken all that a turn may. */
void h2_turn_note_full(struct worker *worker);
/* More has arrived than a turn is worth: it waits for the next one. */
void h2_turn_wait(struct client *client);
/* The next turn is that of a suspect. */
void h2_turn_delay(struct client *client);
/* Of h2_client.turn. */
void h2_turn_on_due(struct wheel_timer *timer, uint64_t now_ms);

#endif
