"""The bundle as one file: an MCUboot image (`mcuboot_image`, `keys`) around a ZIP (`stored_zip`).

`bundle_file` packs, checks and lays it out; `tables` and `clock_plan` are what a microcontroller
reads of it.
"""
