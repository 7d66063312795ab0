/**
 * @file
 * Registers of the MPS2 AN386 that the port uses.
 */
#ifndef BOARD_H
#define BOARD_H

#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))

/* Armv7-M system registers (Architecture Reference Manual, B3.2 and B3.3). */
#define SYSTICK_CONTROL         REGISTER(0xE000E010)
#define SYSTICK_RELOAD          REGISTER(0xE000E014)
#define SYSTICK_VALUE           REGISTER(0xE000E018)
#define SYSTICK_ENABLE          0x1U
#define SYSTICK_INTERRUPT       0x2U
#define SYSTICK_PROCESSOR_CLOCK 0x4U
#define SYSTICK_PERIOD          (1U << 24)
#define ICSR                    REGISTER(0xE000ED04)
#define ICSR_SYSTICK_PENDING    (1U << 26)
#define AIRCR                   REGISTER(0xE000ED0C)
#define AIRCR_SYSTEM_RESET      0x05FA0004U
#define NVIC_ENABLE             REGISTER(0xE000E100)
#define CPACR                   REGISTER(0xE000ED88)

/** Processor clock (Application Note AN386, section 3.5). */
#define BOARD_CLOCK_HZ 25000000U

/* CMSDK APB UART 0 (Cortex-M System Design Kit Technical Reference Manual, 4.3). */
#define UART_DATA         REGISTER(0x40004000)
#define UART_STATE        REGISTER(0x40004004)
#define UART_CONTROL      REGISTER(0x40004008)
#define UART_INTERRUPTS   REGISTER(0x4000400C)
#define UART_BAUD_DIVIDER REGISTER(0x40004010)
#define UART_RX_INTERRUPT 0U
#define UART_TX_FULL      0x1U
#define UART_RX_FULL      0x2U

/* Serial configuration controller: clock generators (Application Note AN386, section 4.5; MPS2
 * Technical Reference Manual, CFG registers). Generator 0 is twice the processor's clock. */
#define SCC_CONFIG_IN     REGISTER(0x4002F0A0)
#define SCC_CONFIG_OUT    REGISTER(0x4002F0A4)
#define SCC_CONFIG_CALL   REGISTER(0x4002F0A8)
#define SCC_CONFIG_STATE  REGISTER(0x4002F0AC)
#define SCC_CONFIG_START  0x80000000U
#define SCC_CONFIG_WRITE  0x40000000U
#define SCC_CONFIG_CLOCKS (1U << 20)
#define SCC_CONFIG_DONE   0x1U
#define SCC_CONFIG_ERROR  0x2U

/** Ticks of the processor clock since the start. */
uint64_t board_ticks(void);

#endif
