// Gives QEMU's two processors P-states, so that the kernel's own acpi-cpufreq drives them.
//
// Control and status registers are page registers of the PC's DMA controllers: plain memory on I/O
// ports that nothing else uses here. What the kernel writes there can be read back through
// /dev/port. No speed changes. The processors differ, as on a big.LITTLE board: two policies.
DefinitionBlock ("ssdt.aml", "SSDT", 2, "EDGE", "CPUFREQ", 0x00000001)
{
    External (\_SB.CPUS.C000, DeviceObj)
    External (\_SB.CPUS.C001, DeviceObj)

    Scope (\_SB.CPUS.C000)
    {
        Name (_PCT, Package () {
            ResourceTemplate () { Register (SystemIO, 8, 0, 0x87) },
            ResourceTemplate () { Register (SystemIO, 8, 0, 0x83) }
        })
        // MHz, mW, latency us, bus master latency us, control value, status value
        Name (_PSS, Package () {
            Package () { 1500, 6000, 10, 10, 0, 0 },
            Package () { 1200, 5000, 10, 10, 1, 1 },
            Package () {  900, 4000, 10, 10, 2, 2 },
            Package () {  600, 3000, 10, 10, 3, 3 }
        })
        Name (_PPC, 0)
        Name (_PSD, Package () { Package () { 5, 0, 0, 0xFC, 1 } })
    }

    Scope (\_SB.CPUS.C001)
    {
        Name (_PCT, Package () {
            ResourceTemplate () { Register (SystemIO, 8, 0, 0x8B) },
            ResourceTemplate () { Register (SystemIO, 8, 0, 0x89) }
        })
        Name (_PSS, Package () {
            Package () { 1000, 2000, 10, 10, 0, 0 },
            Package () {  800, 1500, 10, 10, 1, 1 },
            Package () {  600, 1000, 10, 10, 2, 2 }
        })
        Name (_PPC, 0)
        Name (_PSD, Package () { Package () { 5, 0, 1, 0xFC, 1 } })
    }
}
