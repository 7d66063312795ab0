#include "edge_infer/status.h"

const char *einf_status_text(einf_status status) {
    static const char *const texts[] = {
        "ok",
        "truncated",
        "corrupt",
        "wrong SHA-256",
        "a file of the bundle is missing",
        "an operator, type or option that this firmware does not have",
        "shapes that do not fit together",
        "too many stages, tensors or outputs",
        "the arena is too small",
        "the flash failed",
        "not allowed now",
        "the golden vectors give other scores here",
        "not done yet",
        "not signed with a key that this device trusts",
    };
    return (unsigned)status < sizeof texts / sizeof *texts ? texts[status] : "unknown";
}
