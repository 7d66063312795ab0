#include "edge_infer/ratio.h"

#include <string.h>

#define EINF_MOST_DIGITS 6U

/* One way to write each: models_tflite/prunable/layout.py, RATIO_NAME. */
uint32_t einf_ratio_of(const char *text, uint32_t bytes) {
    uint32_t ratio = 0;
    if (bytes == 3 && memcmp(text, "1.0", 3) == 0) {
        return EINF_FULL_WIDTH;
    }
    if (bytes < 3 || bytes > 2 + EINF_MOST_DIGITS || memcmp(text, "0.", 2) != 0 ||
        text[bytes - 1] == '0') {
        return 0;
    }
    for (uint32_t i = 0; i < EINF_MOST_DIGITS; i++) {
        const char digit = i + 2 < bytes ? text[i + 2] : '0';
        if (digit < '0' || digit > '9') {
            return 0;
        }
        ratio = 10 * ratio + (uint32_t)(digit - '0');
    }
    return ratio;
}

void einf_ratio_text(char text[EINF_RATIO_TEXT_BYTES], uint32_t ratio) {
    uint32_t left = ratio % EINF_FULL_WIDTH;
    uint32_t length = 2;
    text[0] = ratio >= EINF_FULL_WIDTH ? '1' : '0';
    text[1] = '.';
    do {
        left *= 10;
        text[length++] = (char)('0' + left / EINF_FULL_WIDTH);
        left %= EINF_FULL_WIDTH;
    } while (left > 0);
    text[length] = 0;
}
