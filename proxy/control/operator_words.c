/* The book and the events. */
#include "proxy/control/operator_words.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proxy/control/control_state.h"
#include "proxy/control/maintenance_watch.h"
#include "proxy/policy/operator_book.h"

/* What is said again, as a word comes back from the store, is no news. */
static bool is_news(const struct operator_book *book, const struct operator_word *word,
                    const char *at)
{
    const struct operator_said *said =
        operator_book_find(book, word->subject, word->name, word->detail);
    if (said == NULL) {
        return word->state != 0;
    }
    return said->word.state != word->state || strcmp(said->word.by, word->by) != 0 ||
           strcmp(said->word.reason, word->reason) != 0 || strcmp(said->at, at) != 0;
}

static void tell(struct control *control, const struct operator_word *word, const char *at)
{
    char lasts[48] = "";
    bool ended = word->state == 0 && word->until_ms != 0;
    if (word->state != 0 && word->until_ms > word->since_ms) {
        snprintf(lasts, sizeof lasts, ", for %.0f s",
                 (double)(word->until_ms - word->since_ms) / 1e3);
    }
    log_event(control->log, EVENT_OPERATOR, LOG_LEVEL_INFO, "%s %s%s%s: %s%s, said at %s%s%s%s%s%s",
              operator_subject_name(word->subject), word->name, *word->detail != '\0' ? " " : "",
              word->detail, operator_state_name(word->subject, word->state),
              ended ? " as the end has come" : "", at, *word->by != '\0' ? " by " : "", word->by,
              lasts, *word->reason != '\0' ? ": " : "", word->reason);
}

static void note(struct control *control, const struct operator_word *word, const char *at)
{
    if (is_news(&control->replica.said, word, at)) {
        tell(control, word, at);
    }
    operator_book_note(&control->replica.said, word, at);
}

void operator_words_here(struct control *control, const struct operator_word *word)
{
    char host[OPERATOR_AT_BYTES] = "";
    gethostname(host, sizeof host - 1);
    note(control, word, host);
}

bool operator_words_obey(struct control *control, const struct operator_word *word, const char *at)
{
    if (control->generations.present == NULL) {
        return false;
    }
    size_t count = operator_obey(word, control->pools, control->generations.maintenance.words);
    note(control, word, at);
    maintenance_watch_apply(control);
    return count > 0;
}
