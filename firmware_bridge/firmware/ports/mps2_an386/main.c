/* The device on the MPS2 AN386: SMP and the MLPerf Tiny protocol on UART 0. */
#include "board.h"
#include "edge_infer/device.h"

#define UART_ON 0xBU /* transmitter, receiver, interrupt on a received byte */

int main(void) {
    UART_BAUD_DIVIDER = BOARD_CLOCK_HZ / 115200U;
    UART_CONTROL = UART_ON;
    SCR |= SCR_SEVONPEND;
    ei_device_start(0, 0);
    for (;;) {
        ei_device_poll();
        if (!(UART_STATE & UART_RX_FULL)) {
            /* QEMU moves bytes while the processor sleeps. SEVONPEND makes a byte that comes
             * between the look and the sleep wake it all the same; the interrupt stays disabled
             * in the NVIC. */
            __asm__ volatile("wfe");
        }
        NVIC_CLEAR_PENDING = 1U << UART_RX_INTERRUPT;
        UART_INTERRUPTS = UART_RX_FULL;
    }
}
