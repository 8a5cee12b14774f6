/* The names of the reasons. */
#include "pool/close_reason.h"

ENUM_NAME_FUNCTION(lease_close_reason_name, enum lease_close_reason, LEASE_CLOSE_REASONS)
