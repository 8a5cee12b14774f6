/* Which words stand for which kind. */
#include "proxy/http/user_agent.h"

#include <stdbool.h>
#include <string.h>

/* Longer texts say who they are at their beginning. */
#define LOOKED_AT_BYTES 256

ENUM_NAME_FUNCTION(user_agent_name, enum user_agent, USER_AGENTS)

/* In lower case, anywhere. */
static const char *const bots[] = {"bot",     "crawl",       "spider", "slurp",   "+http",
                                   "preview", "externalhit", "probe",  "monitor", "pingdom"};

/* In lower case, at the beginning. */
static const struct {
    const char *word;
    enum user_agent kind;
} beginnings[] = {
    {"mozilla/", USER_AGENT_BROWSER},
    {"opera/", USER_AGENT_BROWSER},
    {"curl/", USER_AGENT_TOOL},
    {"wget", USER_AGENT_TOOL},
    {"httpie/", USER_AGENT_TOOL},
    {"postman", USER_AGENT_TOOL},
    {"insomnia/", USER_AGENT_TOOL},
    {"grpcurl/", USER_AGENT_TOOL},
    {"k6/", USER_AGENT_TOOL},
    {"hey/", USER_AGENT_TOOL},
    {"apachebench/", USER_AGENT_TOOL},
    {"h2load", USER_AGENT_TOOL},
    {"python", USER_AGENT_LIBRARY},
    {"go-http-client/", USER_AGENT_LIBRARY},
    {"okhttp/", USER_AGENT_LIBRARY},
    {"java", USER_AGENT_LIBRARY},
    {"apache-httpclient", USER_AGENT_LIBRARY},
    {"grpc-", USER_AGENT_LIBRARY},
    {"axios/", USER_AGENT_LIBRARY},
    {"node", USER_AGENT_LIBRARY},
    {"undici", USER_AGENT_LIBRARY},
    {"got ", USER_AGENT_LIBRARY},
    {"ruby", USER_AGENT_LIBRARY},
    {"faraday", USER_AGENT_LIBRARY},
    {"php", USER_AGENT_LIBRARY},
    {"guzzlehttp/", USER_AGENT_LIBRARY},
    {"libwww-perl/", USER_AGENT_LIBRARY},
    {"reqwest/", USER_AGENT_LIBRARY},
    {"hyper/", USER_AGENT_LIBRARY},
    {"dart", USER_AGENT_LIBRARY},
    {"cfnetwork/", USER_AGENT_LIBRARY},
    {"aiohttp/", USER_AGENT_LIBRARY},
    {"aws-sdk", USER_AGENT_LIBRARY},
    {"restsharp", USER_AGENT_LIBRARY},
};

static bool begins_with(const char *text, const char *word)
{
    return strncmp(text, word, strlen(word)) == 0;
}

/* One pass over the text: whether any of the words begins at any of its bytes. */
static bool is_bot(const char *text)
{
    for (; *text != '\0'; text++) {
        for (size_t i = 0; i < sizeof bots / sizeof bots[0]; i++) {
            if (*text == bots[i][0] && begins_with(text, bots[i])) {
                return true;
            }
        }
    }
    return false;
}

enum user_agent user_agent_of(const char *text, size_t bytes)
{
    char lower[LOOKED_AT_BYTES + 1];
    size_t length = text == NULL ? 0 : bytes < LOOKED_AT_BYTES ? bytes : LOOKED_AT_BYTES;
    for (size_t i = 0; i < length; i++) {
        lower[i] = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] | 0x20) : text[i];
    }
    lower[length] = '\0';
    if (is_bot(lower)) {
        return USER_AGENT_BOT;
    }
    for (size_t i = 0; i < sizeof beginnings / sizeof beginnings[0]; i++) {
        if (begins_with(lower, beginnings[i].word)) {
            return beginnings[i].kind;
        }
    }
    return USER_AGENT_OTHER;
}
