"""Each variable that is recorded is measured again: does it change the predictions of a network, and tell it?"""

import os
import subprocess
import sys

import pytest

from sermodules.config import RunConfig
from sermodules.runs import provenance, store, variables

CODE = """
import sys
from sermodules import runs
from sermodules.config import RunConfig
runs.run(RunConfig.from_json(sys.argv[1]), sys.argv[2], verbose=False)
"""

#: By variable: a value, and the backend that obeys it.
MEASURED = {
    "TF_ENABLE_ONEDNN_OPTS": ("0", "tensorflow"),
    "TF_DETERMINISTIC_OPS": ("0", "tensorflow"),
    "TF_XLA_FLAGS": ("--tf_xla_auto_jit=2 --tf_xla_cpu_global_jit", "tensorflow"),
    "ONEDNN_MAX_CPU_ISA": ("SSE41", "tensorflow"),
    "DNNL_MAX_CPU_ISA": ("SSE41", "tensorflow"),
    "XLA_FLAGS": ("--xla_cpu_enable_fast_math=true", "jax"),
    "JAX_THREEFRY_PARTITIONABLE": ("0", "jax"),
}


@pytest.fixture(scope="module")
def computed(tmp_path_factory, tones):
    """Return a function that trains a tiny network in a process of its own and returns its run, once for each environment."""
    known = {}

    def compute(backend, **more):
        key = (backend, *more.items())
        if key not in known:
            settings = {"preset": "smoke", "width": 1 / 64, "conv_layers": 1, "epochs": 1, "gender": "none"}
            settings |= {"attention": "mean"}  # most of the time went into making the graph of the others
            config, out = RunConfig.create(corpus=tones, **settings), tmp_path_factory.mktemp("runs")
            env = {name: value for name, value in os.environ.items() if name not in variables.USUAL}
            subprocess.run(
                [sys.executable, "-c", CODE, config.to_json(), str(out)],
                env=env | {"KERAS_BACKEND": backend} | more, check=True, capture_output=True,
            )  # fmt: skip
            known[key] = store.load(out / config.run_id)
        return known[key]

    return compute


def test_each_has_a_test():
    assert MEASURED.keys() == variables.USUAL.keys()


@pytest.mark.parametrize(
    "name", ["TF_ENABLE_ONEDNN_OPTS", *(pytest.param(name, marks=pytest.mark.slow) for name in [*MEASURED][1:])]
)
def test_a_variable_that_changes_predictions_is_told(computed, name):
    value, backend = MEASURED[name]
    plain, other = computed(backend), computed(backend, **{name: value})
    assert plain.provenance["settings"] == {} and other.provenance["settings"] == {name: value}
    one, two = provenance.identity(plain.provenance), provenance.identity(other.provenance)
    assert provenance.differences(one, two) == ["variables"]
    if plain.predictions.equals(other.predictions):
        pytest.skip(f"on this processor {name}={value} changes no prediction")


def test_the_processor_does_not_choose_the_kernels():
    """On processors without AVX512_VNNI and the like TensorFlow would leave oneDNN off."""
    for before in ("", "import tensorflow\n"):
        code = f"import os\nos.environ['TF_ENABLE_ONEDNN_OPTS'] = ''\n{before}import sermodules\n" + (
            "from sermodules.models.backend import keras\nfrom sermodules.runs import provenance\n"
            "from tensorflow.python.util import _pywrap_util_port\n"
            "print(_pywrap_util_port.IsMklEnabled(), provenance.collect()['settings'])"
        )
        env = os.environ | {"KERAS_BACKEND": "tensorflow"}
        told = subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True, text=True).stdout
        if not before:
            assert told.split() == [str(sys.platform != "darwin"), "{}"]
        else:
            assert told.strip().endswith("{'TF_ENABLE_ONEDNN_OPTS': 'unset'}")


def test_what_is_set_as_usual_changes_nothing(computed):
    usual = {"TF_ENABLE_ONEDNN_OPTS": "1", "TF_DETERMINISTIC_OPS": "1"}
    plain, other = computed("tensorflow"), computed("tensorflow", **usual)
    assert plain.predictions.equals(other.predictions)
    assert provenance.identity(plain.provenance) == provenance.identity(other.provenance)
