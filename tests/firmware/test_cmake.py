"""Other projects take the library in: plain CMake, Zephyr; sources and settings do not drift."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.fakes.firmware_build import FIRMWARE, MPS2_CPU, build_library, exported_symbols

ZEPHYR_STUB = Path(__file__).parent / "zephyr_stub.cmake"
DEVICE_FOLDERS = {"device", "slots", "smp", "worker"}
KCONFIG = (FIRMWARE / "Kconfig").read_text()
CMAKE = (FIRMWARE / "CMakeLists.txt").read_text()


def test_every_source_is_listed_once_with_its_kind() -> None:
    lines = (FIRMWARE / "sources.txt").read_text().splitlines()
    rows = [line.split() for line in lines if line and not line.startswith("#")]
    listed = [name for _, name in rows]
    assert sorted(listed) == sorted(
        str(path.relative_to(FIRMWARE / "src")) for path in (FIRMWARE / "src").rglob("*.c")
    )
    for kind, name in rows:
        assert (kind == "device") == (name.split("/")[0] in DEVICE_FOLDERS), name
        assert (kind if kind in ("plain", "dsp") else "") == (
            found[1] if (found := re.search(r"_(plain|dsp)\.c$", name)) else ""
        ), name


def test_a_project_takes_it_in_by_one_line(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    build = _build(
        tmp_path,
        f"""
        add_subdirectory({FIRMWARE} edge_infer)
        add_executable(device {FIRMWARE}/ports/host/host.c {FIRMWARE}/ports/trusted_key.c)
        target_link_libraries(device PRIVATE edge_infer::edge_infer)
        """,
        "-DCMAKE_BUILD_TYPE=Debug",
    )
    made = build_library(tmp_path_factory.getbasetemp())
    assert exported_symbols(build / "edge_infer" / "libedge_infer.a") == exported_symbols(made)
    usage = subprocess.run([build / "device"], capture_output=True, text=True)
    assert usage.returncode == 2 and "FLASH_FILE" in usage.stderr


@pytest.mark.usefixtures("test_mcu_only")
def test_models_and_bundles_alone_want_nothing_of_a_board(tmp_path: Path) -> None:
    build = _build(
        tmp_path,
        f"add_subdirectory({FIRMWARE} edge_infer)",
        "-DCMAKE_BUILD_TYPE=Debug",
        "-DEINF_DEVICE=OFF",
    )
    library = build / "edge_infer" / "libedge_infer.a"
    assert "einf_bundle_open" in exported_symbols(library)
    wanted = subprocess.run(["nm", "-u", library], check=True, capture_output=True, text=True)
    assert "einf_hal" not in wanted.stdout


@pytest.mark.usefixtures("test_mcu_only")
def test_make_and_cmake_build_the_same_code(tmp_path: Path) -> None:
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("arm-none-eabi-gcc is not installed")
    flags = f"-ffunction-sections -fdata-sections {' '.join(MPS2_CPU)}"
    build = _build(
        tmp_path,
        f"add_subdirectory({FIRMWARE} edge_infer)",
        "-DCMAKE_SYSTEM_NAME=Generic",
        "-DCMAKE_SYSTEM_PROCESSOR=arm",
        "-DCMAKE_C_COMPILER=arm-none-eabi-gcc",
        "-DCMAKE_TRY_COMPILE_TARGET_TYPE=STATIC_LIBRARY",
        "-DCMAKE_BUILD_TYPE=MinSizeRel",
        f"-DCMAKE_C_FLAGS={flags}",
        "-DEINF_KERNELS=dsp",
    )
    command = ["make", "-s", "-C", str(FIRMWARE), f"BUILD={tmp_path}/make", "mps2"]
    subprocess.run(command, check=True)
    by_cmake, by_make = (
        _arm_sizes(library)
        for library in (build / "edge_infer" / "libedge_infer.a",
                        tmp_path / "make" / "mps2" / "libedge_infer.a")
    )  # fmt: skip
    assert by_cmake == by_make


def _arm_sizes(library: Path) -> dict[str, str]:
    command = ["arm-none-eabi-size", str(library)]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    rows = [line.split() for line in lines[1:]]
    return {Path(row[5].removesuffix(".obj")).stem: row[0] for row in rows}


def test_a_zephyr_build_gets_the_module_s_files() -> None:
    # The whole format stands in Zephyr's documentation, "Modules (External projects)".
    lines = (FIRMWARE / "zephyr" / "module.yml").read_text().splitlines()
    fields = dict(re.findall(r"^ *(\w+): (\S+)$", "\n".join(lines), re.MULTILINE))
    assert fields == {"name": "edge-infer", "cmake": ".", "kconfig": "Kconfig"}
    assert (FIRMWARE / fields["cmake"] / "CMakeLists.txt").exists()
    assert (FIRMWARE / fields["kconfig"]).exists()


def test_kconfig_and_cmake_have_the_same_settings() -> None:
    declared = set(re.findall(r"^(?:menu)?config (\w+)$", KCONFIG, re.MULTILINE))
    sizes = re.search(r"set\(EINF_SETTINGS (.+)\)", CMAKE)
    assert sizes is not None
    read = {f"EDGE_INFER_{name}" for name in sizes[1].split()}
    read |= set(re.findall(r"CONFIG_(EDGE_INFER(?:_[A-Z]+)*)\b", CMAKE))
    assert declared - read == {"EDGE_INFER_KERNELS_PLAIN"}  # what is left when it is not DSP
    assert read <= declared


def test_kconfig_has_the_defaults_of_the_headers() -> None:
    text = "\n".join(p.read_text() for p in FIRMWARE.rglob("*.h") if "build" not in p.parts)
    for name, default in re.findall(r"config EDGE_INFER_(\w+)\n\tint .+\n\tdefault (\d+)", KCONFIG):
        macro = re.search(rf"#define EINF_{name} (.+)", text)
        assert macro is not None
        factors = [int(factor) for factor in re.findall(r"\d+", macro[1])]
        assert int(default) == factors[0] * (factors[1] if len(factors) > 1 else 1), name


def test_kconfig_parses() -> None:
    kconfiglib = pytest.importorskip("kconfiglib", reason="kconfiglib reads Kconfig files")
    settings = kconfiglib.Kconfig(str(FIRMWARE / "Kconfig"), warn_to_stderr=False)
    assert settings.syms["EDGE_INFER"].str_value == "n"
    settings.syms["EDGE_INFER"].set_value(2)
    assert settings.syms["EDGE_INFER_DEVICE"].str_value == "y"
    assert settings.syms["EDGE_INFER_KERNELS_PLAIN"].str_value == "y"
    assert settings.syms["EDGE_INFER_ARENA_BYTES"].str_value == "98304"


@pytest.mark.usefixtures("test_mcu_only")
@pytest.mark.parametrize("wanted", [True, False])
def test_a_zephyr_build_compiles_it_as_kconfig_says(
    wanted: bool, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    settings = """
        set(CONFIG_EDGE_INFER y)
        set(CONFIG_EDGE_INFER_DEVICE y)
        set(CONFIG_EDGE_INFER_KERNELS_DSP y)
        set(CONFIG_EDGE_INFER_FAST y)
        set(CONFIG_EDGE_INFER_ARENA_BYTES 65536)
    """
    build = _build(
        tmp_path,
        f"""
        include({ZEPHYR_STUB})
        {settings if wanted else ""}
        add_subdirectory({FIRMWARE} edge_infer)
        """,
        "-DCMAKE_C_FLAGS=-Os",
    )
    library = build / "edge_infer" / "libedge_infer.a"
    assert library.exists() == wanted
    if wanted:
        made = build_library(tmp_path_factory.getbasetemp(), kernels="dsp")
        assert exported_symbols(library) == exported_symbols(made)


def _build(folder: Path, project: str, *settings: str) -> Path:
    """Build a project of somebody else's; return the build folder."""
    for tool in ("cmake", "gcc", "make"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    head = "cmake_minimum_required(VERSION 3.20)\nproject(app C)\n"
    (folder / "CMakeLists.txt").write_text(head + project)
    build = folder / "build"
    configure = ["cmake", "-S", str(folder), "-B", str(build), "-G", "Unix Makefiles", *settings]
    for command in (configure, ["cmake", "--build", str(build), "--parallel", "2"]):
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return build
