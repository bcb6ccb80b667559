"""The benchmarks: their arithmetic, that the contenders compute the same, and that the quick form runs."""

import importlib.util
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import __main__ as command
from benchmarks import against, features, first, measure, memory, training, worker
from benchmarks import parts as parts_of_a_step
from sermodules import corpora, models
from sermodules.config import RunConfig
from sermodules.errors import CorpusError, SermodulesError
from sermodules.folds import parts, protocol
from sermodules.models import flops
from sermodules.models.backend import keras

ROOT = Path(__file__).resolve().parents[1]
TINY = RunConfig.create(preset="smoke", width=1 / 32, batch_size=4)


def have(name):
    try:
        corpora.find(name)
    except CorpusError:
        return False
    return True


needs_recordings = pytest.mark.skipif(
    not (have("emodb") or have("synthetic")), reason="no recordings are here: `sermodules corpora make synthetic`"
)


# --- arithmetic


def test_ratio_is_taken_within_each_round():
    found = measure.result("w", "other", [10, 20, 40], "segments/s", ours=[20, 30, 120])
    assert (found["value"], found["low"], found["high"]) == (20, 10, 40)
    assert (found["ratio"], found["ratio_low"], found["ratio_high"]) == (2, 1.5, 3)  # 30 / 20 would be 1.5
    assert found["rounds"] == 3 and tuple(found) == measure.COLUMNS


def test_rounds_take_turns_after_a_warm_up():
    order = []

    def turn(name):
        return lambda: order.append(name) or len(order)

    found = measure.rounds({name: turn(name) for name in "abc"}, 3)
    assert "".join(order) == "abc" + "abc" + "bca" + "cab"
    assert found == {"a": [4, 9, 11], "b": [5, 7, 12], "c": [6, 8, 10]}


def test_table_and_file_have_every_contender(tmp_path):
    rows = [
        measure.result("training", "sermodules", [1234.5], "segments/s"),
        measure.result("training", "other", [100, 400, 200], "segments/s", [150, 200, 220], "as it is"),
        measure.missing("training", "PyTorch", "torch"),
        measure.result("memory", "between two whole numbers, as the file rounds it", [1005.4996], "MB"),
    ]
    results = pd.DataFrame(rows, columns=measure.COLUMNS)
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in measure.table(results).splitlines()]
    assert cells[0] == ["what", "contender", "measured", "ours / this", "note"]
    assert cells[2] == ["training", "sermodules", "1,234 segments/s", "", ""]
    assert cells[3] == ["training", "other", "200 segments/s (100–400)", "1.10 (0.500–1.50)", "as it is"]
    assert cells[4] == ["training", "PyTorch", "", "", "not installed: pip install torch"]
    measure.write(results.assign(date="today"), tmp_path / "new" / "training.csv")
    again = pd.read_csv(tmp_path / "new" / "training.csv")
    assert list(again.columns) == [*measure.COLUMNS, "date"]
    assert measure.table(again) == measure.table(results)


def test_others_use_of_the_machine(monkeypatch):
    times = iter([(0.0, 100.0, 10.0), (10.0, 118.0, 13.0)])  # elapsed, busy, ours
    monkeypatch.setattr(measure.Meanwhile, "_now", staticmethod(lambda: next(times)))
    assert measure.Meanwhile().cores() == 1.5


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells the peak memory of a process")
def test_peak_memory_sees_what_was_freed():
    code = "from benchmarks.measure import peak_memory as p; a = p(); x = bytearray(a + 10**8); del x; print(a, p())"
    root = Path(measure.__file__).parents[1]
    told = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    before, after = map(int, told.stdout.split())
    assert after > before + 10**8


def test_peak_memory_of_a_process_that_is_gone_is_refused():
    with pytest.raises(SermodulesError, match="only Linux"):
        measure.peak_memory("none")


# --- operations


def test_operations_by_hand():
    """Preset `teaching`, with the sizes of the paper over eight."""
    counts = flops.forward(models.network(RunConfig.create(preset="teaching"), 4))
    pixels, pooled = 300 * 40, 150 * 20
    expected = {
        "conv1": 2 * pixels * (5 * 3 * 3) * 16,
        "conv2": 2 * pooled * (5 * 3 * 16) * 32,
        **{f"conv{number}": 2 * pooled * (5 * 3 * 32) * 32 for number in (3, 4, 5, 6)},
        "linear": 2 * 150 * (20 * 32) * 96,
        "bilstm": 2 * 150 * 2 * (96 + 16) * (4 * 16),
        "attention": 2 * 150 * (2 * 32 * 32 + 15 * 32 + 15 * 32),
        "gender_dense": 2 * 300 * 64,
        "dense": 2 * (32 + 64) * 64,
        "logits": 2 * 64 * 4,
    }
    assert {name: count for name, count in counts.items() if count} == expected


def test_training_is_three_times_the_forward_pass_but_for_the_first_layer_and_additive_attention_is_counted():
    model = models.network(TINY, 4)
    counts = flops.forward(model)
    assert flops.training(model) == 3 * sum(counts.values()) - counts["conv1"]
    additive = flops.forward(models.network(TINY.replace(model="model1", attention="additive"), 4))
    assert additive["attention"] == 2 * 150 * (8 * 32 + 32 + 8) and "pooled" not in additive
    paper = flops.training(models.network(RunConfig.create(), 4))
    assert paper == pytest.approx(85e9, rel=0.02)


def test_operations_are_those_of_tensorflows_profiler():
    tf = pytest.importorskip("tensorflow", reason="the reference count is a TensorFlow profile")
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2_as_graph

    model = models.network(TINY, 4)
    convolutions = keras.Model(model.input["log_mel"], model.get_layer("linear").output)
    function = tf.function(convolutions).get_concrete_function(tf.TensorSpec((1, 300, 40, 3)))
    _, graph = convert_variables_to_constants_v2_as_graph(function)
    with tf.Graph().as_default() as traced:
        tf.graph_util.import_graph_def(graph, name="")
        options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
        options = tf.compat.v1.profiler.ProfileOptionBuilder(options).with_empty_output()
        options = options.with_accounted_types(["Conv2D", "MatMul"]).build()
        counted = tf.compat.v1.profiler.profile(traced, cmd="op", options=options)
    products = sum(node.total_float_ops for node in counted.children if node.name in ("Conv2D", "MatMul"))
    ours = flops.forward(model)
    assert counted.total_float_ops >= products > 0
    assert products == sum(ours[name] for name in ("conv1", "conv2", "linear"))


@pytest.mark.parametrize(
    ("attention", "products"),
    [
        ("seq_self", 150 * (2 * 8 * 32 + 15 * 32 + 15 * 8)),  # W_t, W_x; scores; sums
        ("seq_self_equal_start", 150 * (2 * 8 * 32 + 15 * 32 + 15 * 8)),
        ("scaled_dot", 3 * 150 * 8 * 8 + 2 * 150 * 150 * 8),  # queries, keys, values; scores and sums
        ("additive", 150 * (8 * 32 + 32 + 8)),
        ("acrnn", 150 * (8 + 8)),
        ("acrnn_code", 150 * (8 * 1 + 1 + 8)),
        ("mean", 150 * 8),
        ("max", 0),
    ],
)
@pytest.mark.parametrize("padding", ["before", "masked"])
def test_every_attention_is_counted(attention, products, padding):
    counts = flops.forward(models.network(TINY.replace(attention=attention, padding=padding), 4))
    assert counts["attention"] == 2 * products


def test_an_unknown_layer_is_not_left_out():
    with pytest.raises(SermodulesError, match=r"'other'.*LayerNormalization"):
        flops.forward(keras.Sequential([keras.Input((3,)), keras.layers.LayerNormalization(name="other")]))


# --- the contenders are the same network


def minibatch(config):
    part = parts.random_part(config, config.batch_size)
    return part.inputs, part.labels


def stepped(config, stock, weights):
    model = worker.network(config, stock)
    model.set_weights(weights)
    inputs, labels = minibatch(config)
    return [float(model.train_on_batch(inputs, labels)) for _ in range(3)], model


def test_the_stock_layer_has_the_same_losses_in_three_steps():
    pytest.importorskip(
        "keras_self_attention", reason="the stock layer is not installed: pip install keras-self-attention"
    )
    weights = worker.network(TINY).get_weights()
    losses, ours = stepped(TINY, False, weights)
    losses_stock, stock = stepped(TINY, True, weights)
    assert type(stock.get_layer("attention")).__name__ == "SeqSelfAttention"
    assert type(ours.get_layer("attention")).__name__ == "LocalSelfAttention"
    assert type(worker.network(TINY).get_layer("attention")).__name__ == "LocalSelfAttention"
    assert stock.count_params() == ours.count_params()
    np.testing.assert_allclose(losses_stock, losses, rtol=1e-4)


needs_torch = pytest.mark.skipif(not measure.installed("torch"), reason="PyTorch is optional: pip install torch")


def in_pytorch(folder, code, *given):
    """Run code in a process of PyTorch's own; it finds `given` and leaves `found`."""
    (folder / "given").write_bytes(pickle.dumps(given))
    head = "import pickle, sys, torch\nfrom pathlib import Path\nfrom benchmarks import pytorch\n"
    head += (
        "from sermodules.config import RunConfig\ngiven = pickle.loads((Path(sys.argv[1]) / 'given').read_bytes())\n"
    )
    tail = "\n(Path(sys.argv[1]) / 'found').write_bytes(pickle.dumps(found))"
    root = Path(measure.__file__).parents[1]
    subprocess.run([sys.executable, "-c", head + code + tail, str(folder)], cwd=root, check=True)
    return pickle.loads((folder / "found").read_bytes())


@needs_torch
def test_pytorch_is_the_same_network(tmp_path):
    """From the same weights it has the same losses in four steps of plain gradient descent, so also the same gradients."""
    ours = worker.network(TINY)
    weights = {layer.name: layer.get_weights() for layer in ours.layers}
    inputs, labels = minibatch(TINY)
    code = """
config, weights, inputs, labels = given
network = pytorch.Network(RunConfig.from_json(config), 4)
pytorch.load(network, weights)
optimizer = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=0.1)
found = [pytorch.step(network, optimizer, inputs, labels) for _ in range(4)], pytorch.parameters(network)
"""
    losses, parameters = in_pytorch(tmp_path, code, TINY.to_json(), weights, inputs, labels)
    assert parameters == ours.count_params()
    ours.compile(keras.optimizers.SGD(0.1), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    expected = [float(ours.train_on_batch(inputs, labels)) for _ in range(4)]
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    assert expected[3] < expected[2] < expected[1] < expected[0]


@needs_torch
def test_pytorchs_nadam_makes_the_steps_of_keras(tmp_path):
    rng = np.random.default_rng(0)
    start, *gradients = rng.normal(size=(6, 50)).astype("float32")
    code = """
start, gradients, rate = given
class Holder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.values = torch.nn.Parameter(torch.from_numpy(start.copy()))
holder, found = Holder(), []
optimizer = pytorch.optimizer(holder, rate)
for gradient in gradients:
    holder.values.grad = torch.from_numpy(gradient)
    optimizer.step()
    found.append(holder.values.detach().numpy().copy())
"""
    found = in_pytorch(tmp_path, code, start, gradients, TINY.learning_rate)
    values, optimizer = keras.Variable(start), keras.optimizers.Nadam(TINY.learning_rate)
    optimizer.build([values])
    for gradient, other in zip(gradients, found, strict=True):
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [values])
        np.testing.assert_allclose(np.asarray(values), other, rtol=1e-5)


# --- the quick form


@needs_recordings
def test_librosa_computes_the_same_features():
    table, _ = measure.recordings(4)
    for path in table["path"]:
        ours = features.ours(path)
        np.testing.assert_allclose(features.with_librosa(path), ours, rtol=0, atol=features.TOLERANCE)


@needs_recordings
@pytest.mark.skipif(
    not measure.installed("python_speech_features"),
    reason="python_speech_features is optional: pip install python_speech_features",
)
def test_python_speech_features_computes_about_the_same():
    for path in measure.recordings(2)[0]["path"]:
        ours, theirs = features.ours(path), features.with_python_speech_features(path)
        assert theirs.shape[1:] == ours.shape[1:] and 0 <= len(theirs) - len(ours) <= 1
        assert np.corrcoef(theirs[: len(ours), :, 0].ravel(), ours[..., 0].ravel())[0, 1] > 0.9


@pytest.mark.slow
@needs_recordings
def test_quick_features(monkeypatch):
    # no openSMILE: this process has loaded TensorFlow, in which it aborts
    monkeypatch.setattr(measure, "installed", lambda module: False)
    results = features.main(quick=True).set_index(["what", "contender"])
    alone = results.xs(results.index[0][0])
    assert list(alone.index) == ["sermodules", "librosa", "openSMILE", "python_speech_features"]
    assert alone["ratio"]["librosa"] == pytest.approx(
        alone["value"]["sermodules"] / alone["value"]["librosa"], rel=1e-5
    )
    assert alone["note"]["openSMILE"] == "not installed: pip install opensmile"
    assert alone["note"]["librosa"].startswith("largest difference") and pd.isna(alone["value"]["openSMILE"])


def test_features_that_differ_are_refused(monkeypatch):
    x = np.zeros((5, 40, 3))
    monkeypatch.setattr(features, "ours", lambda path: x + np.arange(3))
    with pytest.raises(SermodulesError, match="the work is not the same"):
        features._agreement(["a"], {"sermodules": None, "librosa": lambda path: x + np.array([0, 1, 2.1])})


@pytest.mark.slow
def test_quick_training():
    results = training.main(quick=True)
    ours, reached, stock = (row for _, row in results.iloc[:3].iterrows())
    assert (ours["contender"], stock["contender"]) == ("sermodules", "SeqSelfAttention and model.fit")
    assert stock["ratio"] == pytest.approx(ours["value"] / stock["value"], rel=1e-5)
    config = RunConfig.create(preset="smoke", width=1 / 64, conv_layers=1, batch_size=4)
    per_segment = flops.training(models.network(config, 4)) / 1e9
    assert reached["value"] == pytest.approx(per_segment * ours["value"], rel=1e-5)
    products = results[results["contender"].str.startswith("matrix product")]
    assert len(products) >= 2 and (products["value"] > 0).all()
    np.testing.assert_allclose(products["ratio"], reached["value"] / products["value"], rtol=1e-5)
    torch = results[results["contender"].str.startswith("PyTorch")].iloc[0]
    assert (torch["rounds"] > 0) == (importlib.util.find_spec("torch") is not None)


def test_networks_of_other_sizes_are_refused():
    class Fake:
        def __init__(self, parameters):
            self.parameters = parameters

        def ready(self):
            return {"parameters": self.parameters}

    training.check_parameters({"a": Fake(5), "b": Fake(5)})
    with pytest.raises(SermodulesError, match="not the same network"):
        training.check_parameters({"a": Fake(5), "b": Fake(6)})


@pytest.mark.slow
@needs_recordings
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells the peak memory of a process")
def test_quick_memory_by_the_command(tmp_path):
    told = CliRunner().invoke(command.main, ["memory", "--quick", "--to", str(tmp_path)])
    assert told.exit_code == 0, told.output
    results = pd.read_csv(tmp_path / "memory.csv")
    run = results[results["what"].str.startswith("a run")]["value"]
    assert run.is_monotonic_increasing and run.iloc[0] > 100  # TensorFlow is imported
    assert results["what"].str.startswith("a worker").sum() == 1
    assert measure.table(results) in told.output
    for name in ("date", "commit", "code", "processor", "cores", "versions", "others_cores"):
        assert results[name].notna().all() or name in ("commit", "others_cores"), name
    assert "keras 3" in results["versions"][0]


def test_a_job_that_fails_is_told():
    broken = measure.Worker("product", library="numpy", precision="float32", threads=1, size=-1)
    try:
        with pytest.raises(SermodulesError, match="ended"):
            broken.ready()
    finally:
        broken.close()


def test_memory_of_processes_is_in_megabytes():
    assert memory._megabytes(2_500_000) == 2.5


# --- the step by parts, another commit, memory and the corpus, the first minutes


def test_parts_are_differences_within_each_round():
    milliseconds = {
        "nothing": [1.0, 2.0, 1.5], "convolutions": [11.0, 12.0, 21.5], "BiLSTM": [15.0, 17.0, 26.5],
        "attention": [18.0, 20.0, 29.5], "whole": [20.0, 25.0, 30.5],
    }  # fmt: skip
    found = parts_of_a_step._results("w", {name: np.array(values) for name, values in milliseconds.items()})
    median = {row["contender"]: row["value"] for row in found}
    assert median == {"whole step": 25, "convolutions": 10, "BiLSTM": 5, "attention": 3, "rest": 3}  # rest: 3, 7, 2.5
    spread = {row["contender"]: (row["low"], row["high"]) for row in found}
    assert spread["convolutions"] == (10, 20) and spread["rest"] == (2.5, 7)
    assert {row["contender"]: row["note"] for row in found}["attention"] == "12% of the step"  # 15, 12 and 10


def test_networks_that_end_earlier_have_the_layers_up_to_there():
    model = worker.network(TINY)
    names = [
        {layer.name for layer in worker.ending(model, end).layers}
        & {"conv1", "linear", "bilstm", "attention", "pooled"}
        for end in list(parts_of_a_step.ENDS.values())[:-1]
    ]
    assert names == [
        set(), {"conv1", "linear"}, {"conv1", "linear", "bilstm"}, {"conv1", "linear", "bilstm", "attention", "pooled"},
    ]  # fmt: skip
    assert worker.ending(model, "linear").output.shape == (None, worker.CLASSES)


@pytest.mark.slow
def test_quick_parts_by_the_command():
    told = CliRunner().invoke(command.main, ["parts", "--quick"])
    assert told.exit_code == 0, told.output
    for name in ("whole step", "convolutions", "BiLSTM", "attention", "rest"):
        assert f"| {name} " in told.output


@pytest.fixture
def repository(tmp_path):
    """Return a repository that holds this checkout's code in its first commit, and something else in its second."""
    folder = tmp_path / "repository"
    for name in ("sermodules", "benchmarks"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "_toc.yml").touch()
    (folder / "Makefile").write_text(
        f"env:\n\tmkdir -p .venv/bin\n\tprintf '#!/bin/sh\\nexec {sys.executable} \"$$@\"\\n' > .venv/bin/python\n"
        "\tchmod +x .venv/bin/python\n"
    )
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        git(folder, *arguments)
    (folder / "benchmarks" / "worker.py").write_text("raise SystemExit('this is another worker')\n")
    git(folder, "commit", "-qam", "second")
    return folder


def git(folder, *arguments):
    who = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    return subprocess.run(
        ["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True, text=True
    ).stdout


needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="no git on this machine")


@needs_git
def test_a_commit_is_checked_out_once_and_its_own_makefile_makes_its_environment(repository):
    folder = against.checkout("HEAD~1", repository)
    assert folder == repository / "_build" / "against" / git(repository, "rev-parse", "HEAD~1")[:12]
    assert "def keras_training" in (folder / "benchmarks" / "worker.py").read_text()
    (folder / "mark").touch()
    assert against.checkout(folder.name, repository) == folder and (folder / "mark").exists()
    assert "another worker" in (against.checkout("HEAD", repository) / "benchmarks" / "worker.py").read_text()
    assert {path.name for path in folder.parent.iterdir()} == {folder.name, against.checkout("HEAD", repository).name}
    assert against.own_environment(folder).is_file()
    with pytest.raises(SermodulesError, match="knows nothing called 'nonsense'"):
        against.checkout("nonsense", repository)


@pytest.mark.slow
@needs_git
def test_quick_against_another_commit(repository, monkeypatch):
    monkeypatch.setattr(against, "project_root", lambda: repository)
    monkeypatch.setattr(against, "STEPS", {"smoke": 1})
    results = against.main("HEAD~1", quick=True)
    name = git(repository, "rev-parse", "HEAD~1")[:12]
    assert results["contender"].tolist() == ["sermodules", f"commit {name}"] * 2
    assert [("side by side" in what) for what in results["what"]] == [False, False, True, True]
    theirs, ours = results.iloc[1::2].reset_index(), results.iloc[::2].reset_index()
    np.testing.assert_allclose(theirs["ratio"], ours["value"] / theirs["value"], rtol=1e-5)
    with pytest.raises(SermodulesError, match="'keras_training' ended"):
        against.main("HEAD", quick=True)


def test_workers_side_by_side_begin_together_and_the_last_counts():
    log = []

    class Fake:
        def __init__(self, seconds):
            self.seconds = seconds

        def ready(self):
            return {"seconds": self.seconds}

        def ask(self):
            log.append("ask")

        def answer(self):
            log.append("answer")
            return self.seconds

    both = measure.Together([Fake(2), Fake(3)])
    assert both.ready() == {"seconds": 2} and both() == 3
    assert log == ["ask", "ask", "answer", "answer"]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells the memory of a process")
def test_own_memory_is_seen_after_it_was_freed_and_mapped_files_do_not_count(tmp_path):
    (tmp_path / "file").write_bytes(b"x" * 10**8)
    code = (
        "import mmap, sys\nprint('ready', flush=True)\nsys.stdin.readline()\n"
        f"with open({str(tmp_path / 'file')!r}, 'rb') as file:\n    held = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)\n"
        "sum(held[place] for place in range(0, 10**8, 4096))\nprint('read', flush=True)\nsys.stdin.readline()\n"
        "x = bytearray(3 * 10**8)\nprint('held', flush=True)\nsys.stdin.readline()\n"
        "del x\nprint('freed', flush=True)\nsys.stdin.readline()"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout.readline() == "ready\n"
        memory, peaks = measure.AnonymousMemory(child.pid), []
        for word in ("read", "held", "freed"):
            child.stdin.write("\n")
            child.stdin.flush()
            assert child.stdout.readline() == f"{word}\n"
            peaks.append(memory.peak())
        memory.close()
    finally:
        child.kill()
        child.wait()
    assert peaks[0] < 10**8 and 3 * 10**8 < peaks[1] <= peaks[2] < 5 * 10**8


def test_noise_has_so_many_training_segments(tmp_path):
    table = corpora.load(f"table:{memory.write_noise(tmp_path / 'noise', 10)}")
    fold = protocol.folds(table)[0]
    rows = table[table["speaker"].isin(fold.train)]
    assert len(rows) == 12 and (rows["duration"] == 2).all() and set(rows["emotion"]) <= set(corpora.FOUR)
    assert rows["gender"].nunique() == 2 and rows["emotion"].nunique() == 3


def test_the_first_minutes_are_those_of_make_study():
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").split("\nstudy: $(READY)\n")[1].split("\n\n")[0]
    steps = [line.strip().lstrip("@") for line in recipe.splitlines() if not line.strip().startswith("@echo")]
    ours = [" ".join(step) for step in first.PHASES.values()]
    steps = [step.replace("$(BIN)", ".venv/bin").replace("$(MAKE) --no-print-directory", "make") for step in steps]
    assert ours == ["make env", *steps]


def test_first_minutes_beside_another_commit(monkeypatch):
    times = iter([{"book": 2.0, "in all": 2.0}, {"book": 5.0, "in all": 6.0}])
    asked = []
    monkeypatch.setattr(first, "_once", lambda *arguments: asked.append(arguments) or next(times))
    results = first.main("abc", ["book"])
    assert [(name, commit) for name, commit, _ in asked] == [("sermodules", "HEAD"), ("commit abc", "abc")]
    assert results["ratio"].tolist()[1::2] == [2.5, 3.0] and results["value"].tolist() == [2, 5, 2, 6]
    assert results["ratio"].isna().tolist()[::2] == [True, True]


@needs_git
def test_a_phase_is_timed_in_a_clone_without_corpora_and_caches(repository, monkeypatch):
    monkeypatch.setattr(against, "project_root", lambda: repository)
    monkeypatch.setattr(first, "project_root", lambda: repository)
    monkeypatch.setenv("SERMODULES_DATA", "/somewhere")
    code = "import os; assert 'SERMODULES_DATA' not in os.environ and not os.path.exists(os.environ['UV_CACHE_DIR'])"
    monkeypatch.setitem(first.PHASES, "book", (".venv/bin/python", "-c", code))
    found = first._once("sermodules", "HEAD", ["installation", "book"])
    assert found["in all"] == found["installation"] + found["book"] > 0
    assert list((repository / "_build" / "first").iterdir()) == []
    monkeypatch.setitem(first.PHASES, "book", (".venv/bin/python", "-c", "raise SystemExit(1)"))
    with pytest.raises(SermodulesError, match="failed in a fresh clone"):
        first._once("sermodules", "HEAD", ["installation", "book"])
    assert list((repository / "_build" / "first").iterdir()) == []
