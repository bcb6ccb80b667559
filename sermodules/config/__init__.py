"""What a run is: every setting that can change a number, the presets, and a record of each method.

Nothing here computes. `run` holds `RunConfig`, `methods` what is known of each model, `presets` sizes and schedules, `words`
how a configuration is called in tables and logs, `backends` what Keras may compute with.
"""

from sermodules.config.methods import METHODS, MethodRecord, require
from sermodules.config.presets import PRESETS
from sermodules.config.run import RunConfig, refuse_empty

__all__ = ["METHODS", "PRESETS", "MethodRecord", "RunConfig", "refuse_empty", "require"]
