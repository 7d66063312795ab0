/*
 * What a project of somebody else's has defined before our headers come: names
 * and macros as Zephyr, FreeRTOS, vendors' headers, the C library and Edge
 * Impulse's SDK have them.
 */
#ifndef RTOS_NAMES_H
#define RTOS_NAMES_H

#define _GNU_SOURCE 1

#include <math.h>
#include <search.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

/* Zephyr: device.h, clock_control.h, fs.h, sys/util.h, logging/log.h, settings.
 */
struct device {
    const char *name;
    const void *config;
};
struct clock {
    int rate;
};
struct field;
struct image;
struct upload;
struct model;
struct tensor;
struct slots;
typedef int framing;
typedef int refusal;
typedef int policy;
typedef double plan;
typedef struct {
    int words;
} block;

#define ARRAY_SIZE(array)         (sizeof(array) / sizeof((array)[0]))
#define BIT(n)                    (1UL << (n))
#define BIT_MASK(n)               (BIT(n) - 1UL)
#define MIN(a, b)                 ((a) < (b) ? (a) : (b))
#define MAX(a, b)                 ((a) > (b) ? (a) : (b))
#define CLAMP(value, low, high)   MIN(MAX(value, low), high)
#define ROUND_UP(x, align)        (((x) + (align)-1) / (align) * (align))
#define CONTAINER_OF(p, type, at) ((type *)((char *)(p)-offsetof(type, at)))
#define IS_ENABLED(option)        0
#define STRINGIFY(x)              #x
#define KB(x)                     ((x) << 10)
#define LOG_LEVEL                 3
#define LOG_ERR(...)              (void)0
#define LOG_INF(...)              (void)0
#define LOG_SAMPLE                rtos_log_sample
#define DEVICE_H                  "a guard"
#define CLOCK_H                   "a guard"
#define MODEL_H                   "a guard"
#define CBOR_H                    "a guard"

/* FreeRTOS and vendors' headers: bare words. */
#define TRUE        rtos_true
#define FALSE       rtos_false
#define LIST        rtos_list
#define MAP         rtos_map
#define TEXT        rtos_text
#define BYTES       rtos_bytes
#define TAG         rtos_tag
#define BUS         rtos_bus
#define POWER       rtos_power
#define MAGIC       rtos_magic
#define VERSION     rtos_version
#define GROUPS      rtos_groups
#define WORDS       rtos_words
#define NO_SLOT     rtos_no_slot
#define PAGE_BYTES  rtos_page_bytes
#define MAX_CLOCKS  rtos_max_clocks
#define MAX_NODES   rtos_max_nodes
#define BLOCK_BYTES rtos_block_bytes
#define SMP_READ    rtos_smp_read
#define SMP_BUSY    rtos_smp_busy
#define OP_ADD      rtos_op_add
#define TYPE_INT8   rtos_type_int8

/* MCUboot and its tools: img_mgmt.h, image.h. */
#define IMAGE_MAGIC      0x96f3b83d
#define IMAGE_TLV_SHA256 0x10
#define IMAGE_NO_IMAGE   rtos_image_no_image

/* Functions with other arguments than any of ours would have. */
void prepare(double);
void refuse(double);
void granted(double);
void log_add(double);
void log_mark(double);
void map_of(double);
void field_add(double);
void model_open(double);
void upload_begin(double);
void slots_reset(double);
void smp_answer(double);
void cbor_put_uint(double);
void edge_info(double);
void device_infer(double);
void clock_set(double);

/* Edge Impulse's SDK. */
#define EI_ALIGNMENT rtos_ei_alignment
#define EI_OK        rtos_ei_ok
typedef enum { EI_IMPULSE_OK = 0 } EI_IMPULSE_ERROR;
void ei_sleep(double);
void ei_clamp(double);
void ei_mean_of(double);

#endif
