/**
 * @file
 * What a call comes to.
 */
#ifndef EINF_STATUS_H
#define EINF_STATUS_H

/** Outcome of every call that can fail. */
typedef enum {
    EINF_OK = 0,
    EINF_TRUNCATED,   /**< Ends before what it says it holds. */
    EINF_CORRUPT,     /**< An offset, length, magic or count that cannot be. */
    EINF_HASH,        /**< The SHA-256 of the image is not the one written in it. */
    EINF_NO_ENTRY,    /**< The bundle lacks a file or table that it names. */
    EINF_UNSUPPORTED, /**< Sound, but an operator, type or option that is not built here. */
    EINF_SHAPE,       /**< Shapes of an operator, or of two stages, that do not fit together. */
    EINF_TOO_MANY,    /**< More stages, tensors or outputs than this build has room for. */
    EINF_ARENA,       /**< The arena is too small. */
    EINF_STORAGE,     /**< The flash did not do as told. */
    EINF_REFUSED,     /**< Understood, and not allowed now. */
    EINF_SELF_TEST,   /**< The golden vectors give other scores. */
    EINF_BUSY,        /**< Not done yet. */
    EINF_SIGNATURE,   /**< Not signed with a key that is trusted here. */
} einf_status;

/** The status as a few words for a person. */
const char *einf_status_text(einf_status status);

#endif
