"""One run, from a `RunConfig` to a `RunResult`, and where it is kept.

`steps` does it, `provenance` says with what (`variables`: under which environment variables; `notebook`: by which notebook),
`store` writes its folder whole or not at all. Nothing here knows of other runs.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(  # so that reading a name of this folder alone starts no TensorFlow
    __name__,
    submodules=["provenance", "store"],
    submod_attrs={
        "steps": ["evaluate", "fit", "prepare", "run"],
        "store": ["RunResult"],
    },
)
