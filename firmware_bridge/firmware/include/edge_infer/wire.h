/**
 * @file
 * Numbers and keys of what goes over the line (PROTOCOL.md).
 *
 * Generated from firmware_bridge/wire/, do not edit:
 * python -m edge_infer.firmware_bridge.wire.c_header
 */
#ifndef EINF_WIRE_H
#define EINF_WIRE_H

/* Operations of a message. */
#define EINF_OP_READ           0U
#define EINF_OP_READ_RESPONSE  1U
#define EINF_OP_WRITE          2U
#define EINF_OP_WRITE_RESPONSE 3U

/* Groups. */
#define EINF_GROUP_OS          0U
#define EINF_GROUP_IMAGE       1U
#define EINF_GROUP_ENUMERATION 10U
#define EINF_GROUP_EDGE_INFER  70U

/* General error codes. */
#define EINF_CODE_OK            0U
#define EINF_CODE_UNKNOWN       1U
#define EINF_CODE_NO_MEMORY     2U
#define EINF_CODE_INVALID       3U
#define EINF_CODE_TIMEOUT       4U
#define EINF_CODE_NO_ENTRY      5U
#define EINF_CODE_BAD_STATE     6U
#define EINF_CODE_TOO_LARGE     7U
#define EINF_CODE_NOT_SUPPORTED 8U
#define EINF_CODE_CORRUPT       9U
#define EINF_CODE_BUSY          10U
#define EINF_CODE_ACCESS_DENIED 11U

/* Commands of group 0. */
#define EINF_OS_ECHO       0U
#define EINF_OS_RESET      5U
#define EINF_OS_PARAMETERS 6U
#define EINF_OS_INFO       7U
#define EINF_OS_BOOTLOADER 8U

/* Error codes of group 0. */
#define EINF_OS_CODE_INVALID_FORMAT 2U
#define EINF_OS_CODE_NO_ANSWER      3U

/* Commands of group 1. */
#define EINF_IMAGE_STATE  0U
#define EINF_IMAGE_UPLOAD 1U
#define EINF_IMAGE_ERASE  5U

/* Error codes of group 1. */
#define EINF_IMAGE_CODE_NO_IMAGE              3U
#define EINF_IMAGE_CODE_NO_FREE_SLOT          9U
#define EINF_IMAGE_CODE_WRITE_FAILED          12U
#define EINF_IMAGE_CODE_INVALID_SLOT          14U
#define EINF_IMAGE_CODE_INVALID_OFFSET        20U
#define EINF_IMAGE_CODE_INVALID_LENGTH        21U
#define EINF_IMAGE_CODE_INVALID_HASH          24U
#define EINF_IMAGE_CODE_OLDER_THAN_CONFIRMED  27U
#define EINF_IMAGE_CODE_ALREADY_PENDING       28U
#define EINF_IMAGE_CODE_TOO_LARGE             30U
#define EINF_IMAGE_CODE_OVERRUN               31U
#define EINF_IMAGE_CODE_CONFIRMATION_DENIED   32U
#define EINF_IMAGE_CODE_TEST_OF_ACTIVE_DENIED 33U

/* Commands of group 10. */
#define EINF_ENUMERATION_COUNT   0U
#define EINF_ENUMERATION_LIST    1U
#define EINF_ENUMERATION_SINGLE  2U
#define EINF_ENUMERATION_DETAILS 3U

/* Error codes of group 10. */
#define EINF_ENUMERATION_CODE_INDEX_TOO_LARGE 4U

/* Commands of group 70. */
#define EINF_EDGE_INFO       0U
#define EINF_EDGE_STATISTICS 1U
#define EINF_EDGE_RUN        2U
#define EINF_EDGE_INFER      3U
#define EINF_EDGE_ENGINE     4U
#define EINF_EDGE_FINISH     5U
#define EINF_EDGE_ENERGIES   6U
#define EINF_EDGE_LOG        7U
#define EINF_EDGE_TIME       8U
#define EINF_EDGE_ROLLBACK   9U
#define EINF_EDGE_CHALLENGE  10U
#define EINF_EDGE_PROVE      11U

/* Kinds of a log entry that is no power sample. */
#define EINF_LOG_CLOCK_KHZ           1U
#define EINF_LOG_MILLICELSIUS        2U
#define EINF_LOG_THROTTLED           3U
#define EINF_LOG_INFERENCE_START     4U
#define EINF_LOG_INFERENCE_EXIT      5U
#define EINF_LOG_METER_START         6U
#define EINF_LOG_INFERENCES_UNMARKED 7U

/* Kind of a power sample, and the bits that go with it. */
#define EINF_LOG_SAMPLE           0U
#define EINF_LOG_INTERVAL_CHANGED 16U
#define EINF_LOG_POWER_DIFFERS    32U
#define EINF_LOG_FLAGS_SET        64U

/* Flags of a power sample. */
#define EINF_SAMPLE_SATURATED 1U
#define EINF_SAMPLE_GAP       2U
#define EINF_SAMPLE_THROTTLED 4U
#define EINF_SAMPLE_BUS_RANGE 8U

/* Keys. */
#define EINF_KEY_ACTIVE        "active"
#define EINF_KEY_ANSWER        "answer"
#define EINF_KEY_BACKEND       "backend"
#define EINF_KEY_BATCH         "batch"
#define EINF_KEY_BEFORE        "before"
#define EINF_KEY_BOARD         "board"
#define EINF_KEY_BOOT          "boot"
#define EINF_KEY_BOOTABLE      "bootable"
#define EINF_KEY_BOOTLOADER    "bootloader"
#define EINF_KEY_BUF_COUNT     "buf_count"
#define EINF_KEY_BUF_SIZE      "buf_size"
#define EINF_KEY_BUNDLE        "bundle"
#define EINF_KEY_BUSY          "busy"
#define EINF_KEY_CONFIDENCE    "confidence"
#define EINF_KEY_CONFIRM       "confirm"
#define EINF_KEY_CONFIRMED     "confirmed"
#define EINF_KEY_CORRECT       "correct"
#define EINF_KEY_COUNT         "count"
#define EINF_KEY_COUNTER       "counter"
#define EINF_KEY_D             "d"
#define EINF_KEY_DATA          "data"
#define EINF_KEY_DIGEST        "digest"
#define EINF_KEY_DONE          "done"
#define EINF_KEY_DTYPE         "dtype"
#define EINF_KEY_END           "end"
#define EINF_KEY_ENDS          "ends"
#define EINF_KEY_ENERGIES      "energies"
#define EINF_KEY_ENERGY        "energy"
#define EINF_KEY_ERR           "err"
#define EINF_KEY_EVIDENCE      "evidence"
#define EINF_KEY_EXIT          "exit"
#define EINF_KEY_EXITS         "exits"
#define EINF_KEY_FAILURE       "failure"
#define EINF_KEY_FIRST         "first"
#define EINF_KEY_FORMAT        "format"
#define EINF_KEY_FOUND         "found"
#define EINF_KEY_FRAMES        "frames"
#define EINF_KEY_FROM          "from"
#define EINF_KEY_GROSS         "gross"
#define EINF_KEY_GROSS_ERROR   "gross_error"
#define EINF_KEY_GROUP         "group"
#define EINF_KEY_GROUPS        "groups"
#define EINF_KEY_HANDLERS      "handlers"
#define EINF_KEY_HASH          "hash"
#define EINF_KEY_ID            "id"
#define EINF_KEY_IDLE_ERROR_UW "idle_error_uw"
#define EINF_KEY_IDLE_UW       "idle_uw"
#define EINF_KEY_IMAGE         "image"
#define EINF_KEY_IMAGES        "images"
#define EINF_KEY_INDEX         "index"
#define EINF_KEY_INFERENCES    "inferences"
#define EINF_KEY_INVOKE        "invoke"
#define EINF_KEY_KEY           "key"
#define EINF_KEY_LABELLED      "labelled"
#define EINF_KEY_LEN           "len"
#define EINF_KEY_LOG_END       "log_end"
#define EINF_KEY_LOG_FIRST     "log_first"
#define EINF_KEY_LOST          "lost"
#define EINF_KEY_MATCH         "match"
#define EINF_KEY_METERED       "metered"
#define EINF_KEY_N             "n"
#define EINF_KEY_NAME          "name"
#define EINF_KEY_NET           "net"
#define EINF_KEY_NET_ERROR     "net_error"
#define EINF_KEY_NONCE         "nonce"
#define EINF_KEY_NOTICE        "notice"
#define EINF_KEY_NS            "ns"
#define EINF_KEY_OFF           "off"
#define EINF_KEY_ORIGIN        "origin"
#define EINF_KEY_OUTPUT        "output"
#define EINF_KEY_PENDING       "pending"
#define EINF_KEY_PERMANENT     "permanent"
#define EINF_KEY_POINTS        "points"
#define EINF_KEY_POLICY        "policy"
#define EINF_KEY_PROBABILITIES "probabilities"
#define EINF_KEY_QUERY         "query"
#define EINF_KEY_R             "r"
#define EINF_KEY_RATIO         "ratio"
#define EINF_KEY_RC            "rc"
#define EINF_KEY_REASON        "reason"
#define EINF_KEY_RESETS        "resets"
#define EINF_KEY_RESIDENCY     "residency"
#define EINF_KEY_RESTARTS      "restarts"
#define EINF_KEY_REVERT        "revert"
#define EINF_KEY_RSN           "rsn"
#define EINF_KEY_RUN           "run"
#define EINF_KEY_SAMPLES       "samples"
#define EINF_KEY_SATURATED     "saturated"
#define EINF_KEY_SESSION       "session"
#define EINF_KEY_SHA           "sha"
#define EINF_KEY_SHAPE         "shape"
#define EINF_KEY_SHARE         "share"
#define EINF_KEY_SIG           "sig"
#define EINF_KEY_SIMULATED     "simulated"
#define EINF_KEY_SLOT          "slot"
#define EINF_KEY_START         "start"
#define EINF_KEY_STARTS        "starts"
#define EINF_KEY_SWITCHES      "switches"
#define EINF_KEY_TRIAL         "trial"
#define EINF_KEY_VERSION       "version"
#define EINF_KEY_WATCHED       "watched"

#endif
