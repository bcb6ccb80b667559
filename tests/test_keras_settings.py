"""Nothing of a person's keras.json reaches a run, and no variable of Keras but KERAS_BACKEND."""

import json
import os
import subprocess
import sys

import pytest
import yaml

from sermodules import study
from sermodules.runs import store

ORDINARY = {"floatx": "float32", "epsilon": 1e-7, "backend": "tensorflow", "image_data_format": "channels_last"}

#: What it may hold. Keras obeys the first without a word, and ends with a traceback where it reads one of the others.
HOSTILE = {
    "other numbers": {"image_data_format": "channels_first", "floatx": "float64", "epsilon": 0.1, "backend": "jax"},
    "unknown values": {"image_data_format": "channels_middle", "floatx": "bfloat16", "epsilon": 1, "backend": "theano"},
    "not installed": {"nnx_enabled": True},
    "a list": [1],
}

SHAPES = """
import json
{before}
from sermodules import models
from sermodules.config import RunConfig
from sermodules.models.backend import keras
found = []
for name in ("model1", "model2"):
    network = models.network(RunConfig.create(model=name, preset="smoke"), 4)
    found += [network.count_params(), network.get_layer("linear").compute_dtype, network.get_layer("linear").variable_dtype]
found += [list(network.get_layer("pooled").output.shape), keras.config.epsilon(), keras.config.floatx()]
found += [keras.backend.backend(), keras.config.image_data_format()]
found += [keras.config.max_epochs(), keras.config.max_steps_per_epoch()]
print(json.dumps(found))
"""


def home(folder, content):
    (folder / "keras.json").write_text(json.dumps(content))
    return folder


def networks(before="", **variables):
    """Say in a process of its own what networks are built."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("KERAS_")} | variables
    done = subprocess.run([sys.executable, "-c", SHAPES.format(before=before)], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def ordinary():
    found = networks()
    assert found[1:3] == ["float32", "float32"]
    assert found[-7:] == [[None, 16], 1e-7, "float32", "tensorflow", "channels_last", None, None]
    return found


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_keras_json_is_not_read(tmp_path, ordinary, content):
    if isinstance(content, dict):
        content = ORDINARY | content
    assert networks(KERAS_HOME=str(home(tmp_path, content))) == ordinary
    assert [path.name for path in tmp_path.iterdir()] == ["keras.json"]


def test_the_one_in_the_home_folder_is_not_read_and_none_is_written(tmp_path, ordinary):
    (tmp_path / ".keras").mkdir()
    home(tmp_path / ".keras", HOSTILE["other numbers"])
    assert networks(HOME=str(tmp_path)) == ordinary
    (tmp_path / "empty").mkdir()
    assert networks(HOME=str(tmp_path / "empty")) == ordinary
    assert not (tmp_path / "empty" / ".keras").exists()


def test_what_was_set_before_does_not_stay(tmp_path, ordinary):
    content = HOSTILE["other numbers"] | {"backend": "tensorflow"}
    before = "import keras; assert keras.config.dtype_policy().name == 'float64'"
    assert networks(before, KERAS_HOME=str(home(tmp_path, content)), KERAS_MAX_EPOCHS="1") == ordinary


def test_variables_of_keras_do_not_shorten_training(ordinary):
    assert networks(KERAS_MAX_EPOCHS="1", KERAS_MAX_STEPS_PER_EPOCH="oops", KERAS_BACKEND="") == ordinary


def test_a_worker_of_a_study_does_not_obey_it(tmp_path, tones):
    """The real driver, its real process for runs, and a network that is trained in it."""
    settings = {"preset": "smoke", "width": 1 / 64, "conv_layers": 1, "epochs": 1, "gender": "none", "corpus": tones}
    path = tmp_path / "s.yaml"
    path.write_text(yaml.safe_dump({"name": "s", "settings": settings, "folds": [1], "seeds": [1]}))
    (config,) = study.load(path).configs
    content = HOSTILE["other numbers"]
    written = []
    for name, variables in {"plain": {}, "hostile": {"KERAS_HOME": str(home(tmp_path, content))}}.items():
        out = tmp_path / name
        command = [sys.executable, "-m", "sermodules", "study", "run", str(path), "--no-notebooks", "--out", str(out)]
        done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        assert store.load(out / config.run_id).provenance["backend"] == "tensorflow"
        written.append((out / config.run_id / "predictions.csv").read_bytes())
    assert written[0] == written[1]
