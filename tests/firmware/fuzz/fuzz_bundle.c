/*
 * Fuzzes everything that reads a bundle file. The first byte chooses how far in
 * the input starts: 0 the whole image, 1 the ZIP (header and hash are put
 * around it), 2 one model, 3 the decisions, 4 the predictor, 5 the plan, 6 a
 * prunable model (its own hash is put in) at three ratios.
 */
#include <string.h>

#include "edge_infer/golden.h"
#include "edge_infer/governor.h"
#include "edge_infer/trust.h"

#define MOST_BYTES (1U << 18)
#define MOST_TO_RUN (1U << 13) /* activations of a model that is also run */
#define HEADER_BYTES 32U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t file[MOST_BYTES] __attribute__((aligned(16)));
static uint8_t memory[1U << 20] __attribute__((aligned(16)));

static void put_u16(uint8_t *at, uint32_t value) {
  at[0] = (uint8_t)value;
  at[1] = (uint8_t)(value >> 8);
}

static void put_u32(uint8_t *at, uint32_t value) {
  put_u16(at, value);
  put_u16(at + 2, value >> 16);
}

/* An image with a right hash around `bytes` of payload at file + HEADER_BYTES;
 * its length. */
static uint32_t wrap(uint32_t bytes) {
  einf_sha256 sha;
  uint8_t *tlvs = file + HEADER_BYTES + bytes;
  memset(file, 0, HEADER_BYTES);
  put_u32(file, 0x96F3B83D);
  put_u16(file + 8, HEADER_BYTES);
  put_u32(file + 12, bytes);
  put_u32(file + 16, 0x10);
  put_u16(tlvs, 0x6907);
  put_u16(tlvs + 2, 40);
  put_u16(tlvs + 4, 0x10);
  put_u16(tlvs + 6, 32);
  einf_sha256_begin(&sha);
  einf_sha256_add(&sha, file, HEADER_BYTES + bytes);
  einf_sha256_end(&sha, tlvs + 8);
  return HEADER_BYTES + bytes + 40;
}

static bool no_longer(void) { return false; }

static const uint8_t *any_key(uint32_t index) {
  static const uint8_t key[32] = {1};
  return index == 0 ? key : NULL;
}

static void govern(const einf_bundle *bundle) {
  einf_governor governor;
  if (einf_governor_start(&governor, bundle, "fuzz", 80000) != EINF_OK) {
    return;
  }
  (void)einf_governor_first_khz(&governor, 0);
  for (uint32_t stage = 0; stage + 1 < bundle->decisions.stage_count; stage++) {
    (void)einf_governor_next_khz(&governor, stage, 1000000U * stage);
  }
  (void)einf_governor_idle_khz(&governor, 5000000U);
}

static void predict(const uint8_t *data, uint32_t size) {
  static const int8_t scores[10] = {5, -3, 100, 90, 90, 0, 0, -128, 127, 1};
  einf_predictor predictor;
  if (einf_predictor_open(&predictor, data, size) == EINF_OK &&
      einf_predictor_bin(&predictor, scores, sizeof scores) >= predictor.bins) {
    __builtin_trap();
  }
}

static void look_up(const uint8_t *data, uint32_t size) {
  einf_clock_plan plan;
  if (einf_clock_plan_open(&plan, data, size) != EINF_OK) {
    return;
  }
  (void)einf_clock_plan_is_for(&plan, "fuzz");
  for (uint64_t age_ns = 0; age_ns < 10000000; age_ns += 999999) {
    (void)einf_clock_plan_first(&plan, 0, age_ns);
    (void)einf_clock_plan_idle(&plan, plan.clock_count - 1, age_ns);
    for (uint32_t stage = 1; stage < plan.stages; stage++) {
      (void)einf_clock_plan_later(&plan, stage, plan.bins - 1, 0, age_ns);
      if (plan.leaves) {
        const uint32_t bin =
            einf_clock_plan_bin(&plan, stage - 1, (int32_t)age_ns);
        (void)einf_clock_plan_forced_loss(&plan, stage - 1, bin);
        (void)einf_clock_plan_tuned_loss(&plan, stage);
      }
    }
  }
}

/* Puts the right hash into a prunable part: behind the first "EIPR" and four
 * bytes. */
static void hash(uint8_t *model, uint32_t size) {
  for (uint32_t at = 0; at + 40 <= size; at++) {
    if (memcmp(model + at, "EIPR", 4) == 0) {
      einf_sha256 sha;
      memset(model + at + 8, 0, EINF_SHA256_BYTES);
      einf_sha256_begin(&sha);
      einf_sha256_add(&sha, model, size);
      einf_sha256_end(&sha, model + at + 8);
      return;
    }
  }
}

static void open_and_run(uint32_t size) {
  einf_arena arena = einf_arena_over(memory, sizeof memory);
  einf_bundle bundle;
  einf_image image;
  if (einf_image_open(&image, file, size) == EINF_OK) {
    (void)einf_image_check_trust(&image, any_key);
  }
  if (einf_bundle_open(&bundle, file, size, &arena, EINF_FULL_WIDTH) !=
          EINF_OK ||
      bundle.activation_bytes > MOST_TO_RUN) {
    return;
  }
  static const uint8_t frame[MOST_TO_RUN];
  for (uint32_t stage = 0; stage < bundle.decisions.stage_count; stage++) {
    (void)einf_bundle_run_stage(&bundle, stage, frame, false);
  }
  govern(&bundle);
  uint32_t next = 0;
  (void)einf_golden_run(&bundle, &next, no_longer);
}

static void open_model(const uint8_t *data, uint32_t size, uint32_t ratio) {
  einf_arena arena = einf_arena_over(memory, sizeof memory);
  einf_graph graph;
  if (einf_graph_open(&graph, data, size, &arena, NULL, ratio) == EINF_OK &&
      graph.activation_bytes <= MOST_TO_RUN) {
    memset(arena.base + arena.kept, 0, graph.activation_bytes);
    einf_graph_invoke(&graph, arena.base + arena.kept);
  }
}

static void prune(const uint8_t *data, uint32_t size) {
  static const uint32_t ratios[] = {EINF_FULL_WIDTH, 750000, 500000};
  memcpy(file, data, size);
  hash(file, size);
  for (uint32_t i = 0; i < sizeof ratios / sizeof *ratios; i++) {
    open_model(file, size, ratios[i]);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  einf_decisions decisions;
  if (size < 1 || size > MOST_BYTES - HEADER_BYTES - 40) {
    return 0;
  }
  const uint32_t bytes = (uint32_t)size - 1;
  switch (data[0]) {
  case 0:
    memcpy(file, data + 1, bytes);
    open_and_run(bytes);
    return 0;
  case 1:
    memcpy(file + HEADER_BYTES, data + 1, bytes);
    open_and_run(wrap(bytes));
    return 0;
  case 2:
    open_model(data + 1, bytes, EINF_FULL_WIDTH);
    return 0;
  case 3:
    (void)einf_decisions_open(&decisions, data + 1, bytes, EINF_FULL_WIDTH);
    return 0;
  case 4:
    predict(data + 1, bytes);
    return 0;
  case 5:
    look_up(data + 1, bytes);
    return 0;
  case 6:
    prune(data + 1, bytes);
    return 0;
  default:
    return -1;
  }
}
