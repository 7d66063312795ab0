/* The device on the MPS2 AN386: SMP and the MLPerf Tiny protocol on UART 0. */
#include "board.h"
#include "edge_infer/device.h"

#define UART_ON 0xBU /* transmitter, receiver, interrupt on a received byte */

/*
 * Sleep until a byte comes: QEMU moves bytes while the processor sleeps. Interrupts are held back
 * between the look and the sleep, so a byte that comes there ends the sleep at once.
 */
static void sleep_until_byte(void) {
    __asm__ volatile("cpsid i" ::: "memory");
    if (!(UART_STATE & UART_RX_FULL)) {
        __asm__ volatile("wfi" ::: "memory");
    }
    __asm__ volatile("cpsie i" ::: "memory");
}

int main(void) {
    UART_BAUD_DIVIDER = BOARD_CLOCK_HZ / 115200U;
    UART_CONTROL = UART_ON;
    NVIC_ENABLE = 1U << UART_RX_INTERRUPT;
    einf_device_start(0, 0);
    for (;;) {
        einf_device_poll();
        if (!einf_device_busy()) {
            sleep_until_byte();
        }
    }
}
