"""Speech emotion recognition after Bhushan, Fahad et al. (2022), as a package that a book and its studies share.

Importing the package is cheap. It only sets, before Keras is imported by anyone, the environment that makes runs quiet
and repeatable; variables that the user has already set are left alone. Only the folders in which numba and matplotlib
keep what lasts are always ours: a home folder may be missing or full, and an environment may belong to somebody else.
"""

import os
import sys

import lazy_loader

from sermodules.paths import code_digest, name_libraries

__version__ = "0.1.0"

# TensorFlow and Keras read these when they are first imported, so this is the one place that may set them.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_DETERMINISTIC_OPS", "1")
# Unset, TensorFlow lets the processor choose: oneDNN where it has AVX512_VNNI or the like, elsewhere (AMD before Zen 4, Intel
# before 2019) its own kernels, which round otherwise. A step of preset `teaching` took 1.1 s with those, 0.44 s with oneDNN.
if "tensorflow" not in sys.modules:  # it has chosen then
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = os.environ.get("TF_ENABLE_ONEDNN_OPTS", "").strip() or "1"
backend_was_chosen = bool(os.environ.get("KERAS_BACKEND"))
os.environ["KERAS_BACKEND"] = os.environ.get("KERAS_BACKEND") or "tensorflow"  # and not what a person's keras.json says
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # several processes may share a GPU

name_libraries("numba", "matplotlib")
code_digest()  # now, so that it is that of the code which this process imports

__getattr__, __dir__, _ = lazy_loader.attach(__name__, submod_attrs={"inference": ["load"]})
