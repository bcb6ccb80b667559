"""A trained model, kept and asked: what stands beside a run so that it can be used, and what it says of new recordings.

`keeping` writes a model and `model` asks it. `recordings` makes a table of what it is asked about, `doubts` says what it cannot
know, `card` what it is for. `training` trains a model for use, which nobody tests. Nothing here changes a number of a run.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(  # so that reading a name of this folder alone starts no TensorFlow
    __name__,
    submod_attrs={
        "keeping": ["keep"],
        "model": ["Answer", "Model", "load"],
        "training": ["train"],
    },
)
