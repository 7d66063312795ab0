/*
 * Predicts, and looks clocks up. A request: what the table is, its bytes, the
 * table.
 *
 * 0, a predictor: answers status and bins; then takes the number of score rows
 * and of classes and the rows, and answers the bin of each and the ticks of
 * all. 1, a plan: answers status, stages, bins and clocks; then takes a number
 * of questions, each the stage (that many stages for the wait), the bin, the
 * clock in force, 0 and the time since arrival (uint64), and answers the index
 * of the clock of each. 2, a plan that leaves: answers status, bins and what a
 * frame pays in; then takes a number of questions, each the exit and the
 * confidence, and answers the bin, what leaving there loses and what leaving by
 * the threshold does.
 */
#include "driver_io.h"
#include "edge_infer/clock_plan.h"
#include "edge_infer/predictor.h"

#define TABLE_BYTES (128U << 10)
#define MOST_SCORES 1024U

static uint8_t table[TABLE_BYTES] IN_FLASH;

static void predict(uint32_t bytes) {
  static int8_t scores[MOST_SCORES];
  einf_predictor predictor;
  uint32_t shape[2], took = 0;
  const uint32_t head[2] = {
      (uint32_t)einf_predictor_open(&predictor, table, bytes), predictor.bins};
  write_exact(head, sizeof head);
  if (head[0] != EINF_OK || !read_exact(shape, sizeof shape)) {
    return;
  }
  for (uint32_t i = 0; i < shape[0]; i++) {
    if (shape[1] > MOST_SCORES || !read_exact(scores, shape[1])) {
      finish(2);
    }
    const uint32_t before = ticks();
    const uint32_t bin = einf_predictor_bin(&predictor, scores, shape[1]);
    took += ticks() - before;
    write_exact(&bin, sizeof bin);
  }
  write_exact(&took, sizeof took);
}

static uint32_t look_up(const einf_clock_plan *plan, const uint32_t *question) {
  const uint64_t age_ns = question[4] | (uint64_t)question[5] << 32;
  if (question[0] == 0) {
    return einf_clock_plan_first(plan, question[2], age_ns);
  }
  if (question[0] == plan->stages) {
    return einf_clock_plan_idle(plan, question[2], age_ns);
  }
  return einf_clock_plan_later(plan, question[0], question[1], question[2],
                               age_ns);
}

static void plan(uint32_t bytes) {
  einf_clock_plan found;
  uint32_t count, question[6];
  const einf_status status = einf_clock_plan_open(&found, table, bytes);
  const uint32_t head[4] = {(uint32_t)status, found.stages, found.bins,
                            found.clock_count};
  write_exact(head, sizeof head);
  if (status != EINF_OK || !read_exact(&count, sizeof count)) {
    return;
  }
  for (uint32_t i = 0; i < count && read_exact(question, sizeof question);
       i++) {
    const uint32_t clock = look_up(&found, question);
    write_exact(&clock, sizeof clock);
  }
}

static void leave(uint32_t bytes) {
  einf_clock_plan found;
  uint32_t count, question[2];
  const einf_status status = einf_clock_plan_open(&found, table, bytes);
  const bool leaves = status == EINF_OK && found.leaves;
  const uint32_t head[3] = {(uint32_t)status, found.bins,
                            leaves ? (uint32_t)einf_clock_plan_pays_in(&found)
                                   : 0};
  write_exact(head, sizeof head);
  if (!leaves || !read_exact(&count, sizeof count)) {
    return;
  }
  for (uint32_t i = 0; i < count && read_exact(question, sizeof question);
       i++) {
    const uint32_t bin =
        einf_clock_plan_bin(&found, question[0], (int32_t)question[1]);
    const uint32_t answer[3] = {
        bin, (uint32_t)einf_clock_plan_forced_loss(&found, question[0], bin),
        (uint32_t)einf_clock_plan_tuned_loss(&found, question[0])};
    write_exact(answer, sizeof answer);
  }
}

int main(void) {
  uint32_t head[2];
  while (read_exact(head, sizeof head)) {
    if (head[1] > sizeof table || !read_exact(table, head[1])) {
      finish(2);
    }
    if (head[0] == 0) {
      predict(head[1]);
    } else if (head[0] == 1) {
      plan(head[1]);
    } else {
      leave(head[1]);
    }
  }
  finish(0);
  return 0;
}
