/* Vectors and the way to main (Armv7-M Architecture Reference Manual, B1.5 and B3.2). */
#include <stdint.h>
#include <string.h>

#include "board.h"

extern uint8_t stack_top, data_image, data_begin, data_end, bss_begin, bss_end;

int main(void);
void reset_handler(void);

static void stop(void) {
    for (;;) {
    }
}

static volatile uint32_t wraps;

static void systick_handler(void) {
    wraps++;
}

uint64_t board_ticks(void) {
    uint32_t before, left;
    do { /* the counter may wrap between the two reads */
        before = wraps;
        left = SYSTICK_VALUE;
    } while (before != wraps || (ICSR & ICSR_SYSTICK_PENDING));
    return (uint64_t)before * SYSTICK_PERIOD + (SYSTICK_PERIOD - 1 - left);
}

/* A byte has come: it stays in the UART until the main loop reads it. */
static void uart_handler(void) {
    UART_INTERRUPTS = UART_RX_FULL;
}

static void start_systick(void) {
    SYSTICK_RELOAD = SYSTICK_PERIOD - 1;
    SYSTICK_VALUE = 0;
    SYSTICK_CONTROL = SYSTICK_PROCESSOR_CLOCK | SYSTICK_INTERRUPT | SYSTICK_ENABLE;
}

void reset_handler(void) {
    CPACR |= 0xFU << 20; /* full access to the FPU */
    __asm__ volatile("dsb\n isb");
    memcpy(&data_begin, &data_image, (size_t)(&data_end - &data_begin));
    memset(&bss_begin, 0, (size_t)(&bss_end - &bss_begin));
    start_systick();
    main();
    stop();
}

typedef void (*handler)(void);

/* Stack, reset, NMI, faults, SVC, debug, PendSV, SysTick; then UART 0's received byte. */
__attribute__((section(".vectors"), used)) static const handler vectors[17] = {
    (handler)(uintptr_t)&stack_top,
    reset_handler,
    stop,
    stop,
    stop,
    stop,
    stop,
    0,
    0,
    0,
    0,
    stop,
    stop,
    0,
    stop,
    systick_handler,
    uart_handler,
};
