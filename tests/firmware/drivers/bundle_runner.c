/*
 * Runs a bundle. A request: bytes of the file, pruning ratio in millionths, the file. The answer:
 * status, kept bytes,
 * activation bytes, frame bytes, security counter. Then for each request of one frame (1 if it is
 * quantised, the frame) exit, answer, confidence, ticks; a request of 2 ends the bundle.
 */
#include "driver_io.h"
#include "edge_infer/bundle.h"

#ifndef FILE_BYTES
#define FILE_BYTES  (4U << 20)
#define ARENA_BYTES (8U << 20)
#define FRAME_BYTES (1U << 16)
#endif

static uint8_t file[FILE_BYTES] IN_FLASH;
static uint8_t memory[ARENA_BYTES] __attribute__((aligned(16)));
static uint8_t frame[FRAME_BYTES];

static void answer_frames(const einf_bundle *bundle) {
    uint32_t quantised;
    while (read_exact(&quantised, sizeof quantised) && quantised < 2) {
        if (!read_exact(frame, einf_bundle_frame_bytes(bundle))) {
            finish(2);
        }
        einf_exit exit = {false, 0, 0};
        uint32_t stage = 0;
        const uint32_t before = ticks();
        for (; !exit.leave; stage++) {
            exit = einf_bundle_run_stage(bundle, stage, frame, quantised == 1);
        }
        const uint32_t record[4] = {stage - 1, exit.answer, (uint32_t)exit.confidence,
                                    ticks() - before};
        write_exact(record, sizeof record);
    }
}

int main(void) {
    uint32_t wanted[2];
    while (read_exact(wanted, sizeof wanted)) {
        if (wanted[0] > sizeof file || !read_exact(file, wanted[0])) {
            finish(2);
        }
        einf_arena arena = einf_arena_over(memory, sizeof memory);
        einf_bundle bundle;
        const einf_status status = einf_bundle_open(&bundle, file, wanted[0], &arena, wanted[1]);
        const uint32_t head[5] = {(uint32_t)status, arena.kept, bundle.activation_bytes,
                                  status ? 0 : einf_bundle_frame_bytes(&bundle),
                                  bundle.image.security_counter};
        write_exact(head, sizeof head);
        if (status == EINF_OK) {
            answer_frames(&bundle);
        }
    }
    finish(0);
    return 0;
}
