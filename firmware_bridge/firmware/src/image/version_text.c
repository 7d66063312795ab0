#include "image/version_text.h"

char *einf_decimal_text(char *text, uint64_t value) {
    char digits[20];
    uint32_t count = 0;
    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    while (count > 0) {
        *text++ = digits[--count];
    }
    return text;
}

void einf_version_text(char text[EINF_VERSION_TEXT_BYTES], const einf_version *version) {
    const uint32_t parts[4] = {version->major, version->minor, version->revision, version->build};
    for (uint32_t i = 0; i < (version->build ? 4U : 3U); i++) {
        if (i > 0) {
            *text++ = '.';
        }
        text = einf_decimal_text(text, parts[i]);
    }
    *text = 0;
}
