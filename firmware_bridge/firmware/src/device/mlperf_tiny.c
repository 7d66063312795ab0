/*
 * MLPerf Tiny's text protocol, device side (mlcommons/tiny,
 * benchmark/api/internally_implemented.cpp): commands end with `%`, answers with CR LF, every
 * command with m-ready. Times are this board's own, in us.
 */
#include "device/mlperf_tiny.h"

#include <string.h>

#include "edge_infer/hal.h"
#include "image/version_text.h"
#include "worker/runner.h"

#define EINF_DEFAULT_WARMUPS 10U

static void say(const char *text) {
    einf_hal_uart_write((const uint8_t *)text, (uint32_t)strlen(text));
}

static void say_line(const char *text) {
    say(text);
    say("\r\n");
}

static void say_number(const char *before, uint64_t value) {
    char digits[21];
    *einf_decimal_text(digits, value) = 0;
    say(before);
    say_line(digits);
}

static void say_lap(void) {
    say_number("m-lap-us-", einf_hal_now_ns() / 1000U);
}

void einf_mlperf_greet(void) {
    say_line("m-init-done");
    say_line("m-ready");
}

/* e^x for x <= 0: the 64th power of a short series. */
static float exp_negative(float x) {
    if (x < -40.0F) {
        return 0.0F;
    }
    const float part = x / 64.0F;
    float power = 1.0F + part * (1.0F + part * (0.5F + part * (1.0F / 6 + part / 24)));
    for (int i = 0; i < 6; i++) {
        power *= power;
    }
    return power;
}

/* The probability of a class, given the raw scores of the exit. */
static float probability(const einf_bundle *b, uint32_t exit, uint32_t index) {
    const int8_t *scores = einf_bundle_scores(b, exit);
    const einf_port *port = einf_bundle_scores_port(b, exit);
    const uint32_t labels = b->decisions.label_count;
    if (b->decisions.stages[exit].softmax) {
        return port->scale * (float)(scores[index] - port->zero_point);
    }
    int32_t top = INT8_MIN;
    float total = 0;
    for (uint32_t i = 0; i < labels; i++) {
        top = scores[i] > top ? scores[i] : top;
    }
    for (uint32_t i = 0; i < labels; i++) {
        total += exp_negative(port->scale * (float)(scores[i] - top));
    }
    return exp_negative(port->scale * (float)(scores[index] - top)) / total;
}

static void say_results(const einf_device *d) {
    const uint32_t exit = d->result.exit, labels = d->bundle.decisions.label_count;
    if (!d->mlperf.answered) {
        say_line("e-[No inference was run]");
        return;
    }
    say("m-results-[");
    for (uint32_t i = 0; i < labels; i++) {
        const float p = probability(&d->bundle, exit, i);
        const uint32_t thousandths = !(p > 0) ? 0 : p >= 1 ? 1000 : (uint32_t)(p * 1000.0F + 0.5F);
        const char text[] = {(char)('0' + thousandths / 1000 % 10),
                             '.',
                             (char)('0' + thousandths / 100 % 10),
                             (char)('0' + thousandths / 10 % 10),
                             (char)('0' + thousandths % 10),
                             i + 1 < labels ? ',' : ']',
                             0};
        say(text);
    }
    say_line("");
}

/* The next word of a command, moved behind it; empty at the end. */
static const char *next_word(char **rest) {
    while (**rest == ' ') {
        (*rest)++;
    }
    const char *word = *rest;
    while (**rest != 0 && **rest != ' ') {
        (*rest)++;
    }
    if (**rest == ' ') {
        *(*rest)++ = 0;
    }
    return word;
}

/* A decimal number; -1 for anything else, and above a million. */
static int32_t number_of(const char *word) {
    int32_t value = 0;
    if (*word == 0) {
        return -1;
    }
    for (; *word != 0; word++) {
        if (*word < '0' || *word > '9' || value > 1000000) {
            return -1;
        }
        value = value * 10 + (*word - '0');
    }
    return value;
}

static int32_t hex_of(char digit) {
    return digit >= '0' && digit <= '9'   ? digit - '0'
           : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10
           : digit >= 'A' && digit <= 'F' ? digit - 'A' + 10
                                          : -1;
}

static void load(einf_device *d, const char *count) {
    const int32_t bytes = number_of(count);
    if (bytes <= 0 || (uint32_t)bytes > sizeof d->frame) {
        say_line("e-[Command 'db load' must be >0 and fit the buffer]");
        return;
    }
    d->mlperf.expected = (uint32_t)bytes;
    d->mlperf.loaded = 0;
    say("m-[Expecting ");
    say(count);
    say_line(" bytes]");
}

static void take_hex(einf_device *d, const char *digits) {
    einf_mlperf *m = &d->mlperf;
    if (strlen(digits) % 2) {
        say_line("e-[Insufficent number of hex digits]");
        return;
    }
    for (; *digits != 0 && m->loaded < m->expected; digits += 2) {
        const int32_t high = hex_of(digits[0]), low = hex_of(digits[1]);
        if (high < 0 || low < 0) {
            say_line("e-[Invalid hex digit]");
            return;
        }
        d->frame[m->loaded++] = (uint8_t)(high << 4 | low);
    }
    if (m->expected > 0 && m->loaded == m->expected) {
        say_line("m-load-done");
    }
}

static void buffer(einf_device *d, char *rest) {
    const char *word = next_word(&rest);
    if (*word == 0) {
        say_line("e-[Command 'db' requires a subcommand]");
    } else if (strcmp(word, "load") == 0) {
        load(d, next_word(&rest));
    } else {
        take_hex(d, word);
    }
}

static void say_infer_start(const einf_device *d) {
    say_line("m-warmup-done");
    say_number("m-infer-start-", d->mlperf.inferences);
    say_lap();
}

/* False when it is refused, and m-ready follows at once. */
static bool infer(einf_device *d, char *rest) {
    const char *first = next_word(&rest), *second = next_word(&rest);
    const int32_t count = *first ? number_of(first) : 1;
    const int32_t warmups = *second ? number_of(second) : (int32_t)EINF_DEFAULT_WARMUPS;
    if (count <= 0 || warmups < 0) {
        say_line("e-[Inference iterations must be >0]");
        return false;
    }
    if (!d->runs || d->mlperf.loaded != einf_bundle_frame_bytes(&d->bundle)) {
        say_line("e-[The input has another size than the model takes, or nothing runs]");
        return false;
    }
    d->mlperf.inferences = (uint32_t)count;
    d->mlperf.warmups = (uint32_t)warmups;
    say_number("m-warmup-start-", (uint64_t)warmups);
    if (warmups == 0) {
        say_infer_start(d);
    }
    return true;
}

static void run_command(einf_device *d, char *command) {
    char *rest = command;
    const char *word = next_word(&rest);
    if (strcmp(word, "name") == 0) {
        say("m-name-dut-[");
        say(einf_hal_board);
        say_line("]");
    } else if (strcmp(word, "profile") == 0) {
        say_line("m-profile-[edge-infer]");
        say("m-model-[");
        if (d->runs) {
            einf_hal_uart_write((const uint8_t *)d->bundle.decisions.name,
                                d->bundle.decisions.name_bytes);
        }
        say_line("]");
    } else if (strcmp(word, "timestamp") == 0) {
        say_lap();
    } else if (strcmp(word, "help") == 0) {
        say_line("name profile timestamp db infer results help");
    } else if (strcmp(word, "db") == 0) {
        buffer(d, rest);
    } else if (strcmp(word, "results") == 0) {
        say_results(d);
    } else if (strcmp(word, "infer") == 0) {
        if (infer(d, rest)) {
            return; /* m-ready follows when it is done */
        }
    } else {
        say("e-[Unknown command: ");
        say(word);
        say_line("]");
    }
    say_line("m-ready");
}

void einf_mlperf_take(einf_device *d, uint8_t byte) {
    einf_mlperf *m = &d->mlperf;
    if (byte == '%') {
        m->command[m->command_bytes] = 0;
        m->command_bytes = 0;
        run_command(d, m->command);
    } else if (byte >= ' ' && byte < 0x7F && m->command_bytes < EINF_MLPERF_COMMAND_BYTES) {
        m->command[m->command_bytes++] = (char)byte;
    }
}

void einf_mlperf_poll(einf_device *d) {
    einf_mlperf *m = &d->mlperf;
    if (m->inferences == 0 || !d->runs) {
        return;
    }
    einf_device_infer(d, 0, d->bundle.decisions.stages[0].lookup == NULL, &d->result);
    m->answered = true;
    d->answered = 0; /* the record of the last SMP frame is gone */
    if (m->warmups > 0) {
        if (--m->warmups == 0) {
            say_infer_start(d);
        }
        return;
    }
    if (--m->inferences == 0) {
        say_lap();
        say_line("m-infer-done");
        say_results(d);
        say_line("m-ready");
    }
}
