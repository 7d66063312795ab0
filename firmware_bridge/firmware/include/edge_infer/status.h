/**
 * @file
 * What a call comes to.
 */
#ifndef EDGE_INFER_STATUS_H
#define EDGE_INFER_STATUS_H

/** Outcome of every call that can fail. */
typedef enum {
    EI_OK = 0,
    EI_TRUNCATED,   /**< Ends before what it says it holds. */
    EI_CORRUPT,     /**< An offset, length, magic or count that cannot be. */
    EI_HASH,        /**< The SHA-256 of the image is not the one written in it. */
    EI_NO_ENTRY,    /**< The bundle lacks a file or table that it names. */
    EI_UNSUPPORTED, /**< Sound, but an operator, type or option that is not built here. */
    EI_SHAPE,       /**< Shapes of an operator, or of two stages, that do not fit together. */
    EI_TOO_MANY,    /**< More stages, tensors or outputs than this build has room for. */
    EI_ARENA,       /**< The arena is too small. */
    EI_STORAGE,     /**< The flash did not do as told. */
    EI_REFUSED,     /**< Understood, and not allowed now. */
    EI_SELF_TEST,   /**< The golden vectors give other scores. */
    EI_BUSY,        /**< Not done yet. */
    EI_SIGNATURE,   /**< Not signed with a key that is trusted here. */
} ei_status;

/** The status as a few words for a person. */
const char *ei_status_text(ei_status status);

#endif
