"""Many runs: a study file, the processes that do its runs, and their publication.

`grid` reads the file, `driver` does what is missing, `scheduling` hands runs to the workers of a `crew`, `worker` is what one
of them does, `runner` its warm process, `notebook` executes the notebook of a run, `progress` counts, `origins` says which runs
were computed with what, `published` puts finished runs into one folder, `records` says what stands in its texts, and `archive`
which files hold them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(  # reading a study file needs neither Dask nor IPython
    __name__,
    submodules=["published"],
    submod_attrs={
        "driver": ["notes", "results", "run", "verify"],
        "grid": ["Study", "load"],
        "progress": ["done", "running", "status"],
    },
)
