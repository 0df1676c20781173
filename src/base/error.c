#include "base/error.h"

G_DEFINE_QUARK(mcp - mux - error, mux_error)
