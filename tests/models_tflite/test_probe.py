"""A damaged model may crash a child process, never this one; what ran is remembered."""

import hashlib
import random
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.backends import BACKENDS, open_or_skip
from tests.fakes.tiny_models import ModelBuilder, single_model

from edge_infer.models_tflite import probe as probe_module
from edge_infer.models_tflite.backend import open_backend
from edge_infer.models_tflite.bundle import open_bundle, shipped_names
from edge_infer.models_tflite.errors import BackendError, ModelError
from edge_infer.models_tflite.probe import known_models, probe, vouch
from edge_infer.models_tflite.stage import all_models


def damaged(model: bytes, seed: int, count: int) -> bytes:
    """Change some bytes in the structure, outside the weights."""
    generator = random.Random(seed)
    changed = bytearray(model)
    for _ in range(count):
        changed[generator.randrange(8, len(model))] = generator.randrange(256)
    return bytes(changed)


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.7, 0.99])
def test_a_truncated_model_is_a_named_error(name: str, share: float) -> None:
    model = single_model()
    with pytest.raises(ModelError) as caught:
        probe({"net": model[: int(len(model) * share)]}, open_backend(name))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("seed", range(4))
def test_a_corrupted_model_runs_or_is_a_named_error(name: str, seed: int) -> None:
    try:
        probe({"net": damaged(single_model(), seed, 8)}, open_backend(name), timeout_s=10)
    except ModelError as error:
        assert "\n" not in str(error)


@pytest.mark.backend
def test_a_crash_is_told_from_a_refusal() -> None:
    # What tflite-runtime does with the first kilobyte of a model; LiteRT verifies and refuses.
    half = single_model()[:1000]
    runtime = open_or_skip("tflite-runtime")
    with pytest.raises(ModelError, match=r"crashed tflite-runtime 2\.14\.0 \(SIGSEGV\)"):
        probe({"net": half}, runtime)
    with pytest.raises(ModelError, match=r"litert .* refuses the model: .*not a valid Flatbuffer"):
        probe({"net": half}, open_backend("litert"))


def whole_but_for_a_kernel() -> bytes:
    builder = ModelBuilder()
    frame = builder.tensor("frame", [1, 4], "float32")
    output = builder.tensor("scores", [1, 4], "float32")
    builder.op("CUSTOM", [frame], [output], custom="edgetpu-custom-op")
    return builder.build([frame], [output])


def test_a_model_that_loads_and_does_not_run_is_refused() -> None:
    with pytest.raises(ModelError, match="edgetpu-custom-op"):
        probe({"net": whole_but_for_a_kernel()}, open_backend("litert"))


def test_what_points_behind_its_end_is_refused_without_a_try(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # tflite-runtime has no verifier: whether such a file crashes it differs from try to try.
    def never(*_: object, **__: object) -> None:
        raise AssertionError("it was tried")

    monkeypatch.setattr("subprocess.run", never)
    with pytest.raises(ModelError, match="net: a truncated or damaged TFLite model"):
        vouch([("net", single_model()[:1000])], open_backend())


def test_a_child_that_takes_too_long_is_ended() -> None:
    with pytest.raises(ModelError, match=r"net: hung litert .* for 0\.001 s"):
        probe({"net": single_model()}, open_backend("litert"), timeout_s=0.001)


@pytest.mark.parametrize("name", BACKENDS)
def test_the_one_of_several_that_fails_is_named(name: str) -> None:
    models = {"little": single_model(), "big": single_model()[:1000], "rest": single_model()}
    with pytest.raises(ModelError, match=rf"^big: .*{name}"):
        probe(models, open_backend(name))


class Children:
    """Counts the child processes that are started."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.cache = folder / "edge-infer" / "probed"
        monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
        run = subprocess.run

        def counted(*words: object, **options: object) -> object:
            self.count += 1
            return run(*words, **options)  # type: ignore[call-overload]

        monkeypatch.setattr(subprocess, "run", counted)

    def forget(self) -> None:
        """Be a process that starts anew."""
        known_models.cache_clear()


@pytest.fixture
def children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Children]:
    found = Children(tmp_path, monkeypatch)
    found.forget()
    yield found
    found.forget()


def test_a_model_is_tried_once_for_each_set_of_kernels_and_remembered(children: Children) -> None:
    backend, other = open_backend(), open_backend(resolver="reference")
    for _ in range(3):
        backend.load(single_model())
    assert children.count == 1
    children.forget()
    backend.load(single_model())
    assert children.count == 1
    other.load(single_model())
    assert children.count == 2
    assert len(children.cache.read_text().splitlines()) == 2
    assert children.cache.stat().st_mode & 0o777 == 0o600
    assert children.cache.parent.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", BACKENDS)
def test_a_sound_model_passes_and_is_known_from_then_on(name: str, children: Children) -> None:
    model = single_model()
    vouch([("net", model)], open_backend(name))
    assert children.count == 1
    digest, kernels = children.cache.read_text().split()[:2]
    assert (digest, kernels) == (hashlib.sha256(model).hexdigest(), name)
    children.forget()
    vouch([("net", model)], open_backend(name))
    assert children.count == 1


def test_several_models_take_one_child_process(children: Children) -> None:
    models = [(str(seed), single_model() + bytes(seed)) for seed in range(4)]
    vouch(models, open_backend())
    vouch([*models[:2], ("more", single_model() + b"more")], open_backend())
    assert children.count == 2


def test_one_that_fails_is_tried_again_and_never_remembered(children: Children) -> None:
    model = whole_but_for_a_kernel()
    for count in (1, 2):
        with pytest.raises(ModelError, match=r"^the model: "):
            open_backend("litert").load(model)
        assert children.count == count
    assert not children.cache.exists()


def test_where_nothing_can_be_written_it_is_remembered_in_memory(children: Children) -> None:
    children.cache.parent.write_text("a file in the folder's place")
    for _ in range(2):
        open_backend().load(single_model())
    assert children.count == 1


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_cache_that_others_could_write_is_not_believed(children: Children, mode: int) -> None:
    open_backend().load(single_model())
    children.cache.chmod(mode)
    children.forget()
    open_backend().load(single_model())
    assert children.count == 2


@pytest.mark.parametrize("content", [b"", b"\xff\0\n\n", b"x" * (1 << 21)])
def test_a_cache_that_holds_anything_is_read_and_goes_on(
    children: Children, content: bytes
) -> None:
    children.cache.parent.mkdir()
    children.cache.write_bytes(content)
    children.cache.chmod(0o600)
    open_backend().load(single_model())
    children.forget()
    open_backend().load(single_model())
    assert children.count == 1 or content == b"\xff\0\n\n"[:0] or content.startswith(b"x")
    assert children.cache.stat().st_size < 1 << 20


def test_the_list_of_what_ships_is_up_to_date() -> None:
    lines = [
        f"{hashlib.sha256(model).hexdigest()} {name}/{stage}\n"
        for name in shipped_names()
        for stage, model in all_models(open_bundle(name))
    ]
    listed = Path(probe_module.__file__).with_name("bundles") / "vouched.sha256"
    assert listed.read_text() == "".join(lines)  # what is on the right belongs there


def test_a_model_that_hangs_is_ended_by_the_time_of_the_processor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    died = subprocess.CompletedProcess([], -signal.SIGXCPU, b"..", b"")
    monkeypatch.setattr(subprocess, "run", lambda *words, **options: died)
    models = {"little": b"", "big": b""}
    with pytest.raises(ModelError, match=r"^big: hung litert .* for 60 s"):
        probe(models, open_backend("litert"))


def test_what_ships_is_vouched_for_at_every_ratio_under_any_kernels(children: Children) -> None:
    for name in shipped_names():
        for resolver in ("auto", "reference"):
            vouch(all_models(open_bundle(name)), open_backend(resolver=resolver))
    assert children.count == 0


def test_no_child_process_at_all_is_told(
    children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    with pytest.raises(BackendError, match=r"the model: no child process can be started .*No such"):
        open_backend().load(single_model())


def test_a_child_that_cannot_use_the_backend_blames_no_model(
    children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = open_backend()
    object.__setattr__(backend, "resolver", "builtins")
    with pytest.raises(BackendError, match="does not start in a child process: no resolver"):
        backend.load(single_model())


def test_memory_without_end_is_refused(children: Children) -> None:
    builder = ModelBuilder()
    frame = builder.tensor("frame", [1 << 10, 1 << 29], "float32")
    wide = builder.tensor("wide", [1 << 10, 1 << 29], "float32")
    builder.op("ADD", [frame, frame], [wide])
    with pytest.raises(ModelError):
        open_backend().load(builder.build([frame], [wide]))


@pytest.mark.parametrize("name", BACKENDS)
def test_a_tensor_name_that_is_no_text_is_a_named_error(name: str) -> None:
    model = (Path(open_bundle("digits-early-exit").path) / "exit1.tflite").read_bytes()
    broken = model.replace(b"serve_frame:0", b"serve_fram\xa1:0")
    assert broken != model
    with pytest.raises(ModelError, match="does not run: 'utf-8' codec"):
        probe({"net": broken}, open_or_skip(name))
