/* The rows as data. */
#include "conf/balance_method.h"

#define ROW(id, word, follows, key_source, method, help) [id] = {word, follows, key_source},
const struct balance_method_row balance_method_rows[] = {BALANCE_METHODS(ROW)};
#undef ROW
