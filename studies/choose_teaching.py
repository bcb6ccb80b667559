"""Compare minibatches for preset `teaching` on EMO-DB's validation speakers. The test speakers are never predicted.

    SERMODULES_DATA=../shared/corpora python studies/choose_teaching.py results/teaching-choice.csv

Every setting trains on the same folds, models and seeds; no study uses these seeds. The file has a row an epoch. A run that is
in it is not done again. `summary` says what was found.

The first two settings ran for 20 epochs, at commit c64185f, with minibatches in another random order. They left minibatches of
16 and 15 epochs. The third was run later, for 12 epochs, as 15 take more than the minute that a run of this preset should take.
``seconds`` are no timings: other work was on the same two cores.

The five folds have five validation speakers, each of whom is the test speaker of another fold: with ten speakers nobody is
left who is neither. They are 08, 10, 11, 13 and 16, tested by the folds 2, 4, 5, 7 and 10. So of a study's folds only 1, 3, 6,
8 and 9 test people that this choice has not seen.
"""

import sys
from itertools import product
from pathlib import Path

import pandas as pd

from sermodules import models, runs
from sermodules.config import RunConfig

SETTINGS = (  # minibatch, learning rate, epochs
    (40, 1e-3, 20),
    (16, 1e-3, 20),
    (16, 2e-3, 12),
)
CELLS = (("model1", 101), ("model2", 102))
FOLDS = (1, 3, 5, 7, 9)
KEY = ["fold", "model", "seed", "batch_size", "learning_rate"]


def history(epochs, **cell):
    """Train one network and return its history."""
    config = RunConfig.create(corpus="emodb", preset="teaching", epochs=epochs, patience=epochs, **cell)
    data = runs.prepare(config)
    fitted = runs.fit(models.build(config, len(data.classes)), data, config, verbose=False)
    return fitted.history.assign(**cell, validation_speaker=data.fold.validation[0], seconds=round(fitted.seconds, 1))


def summary(rows, epochs=12):
    """Return the mean over the runs, for each setting, of what the first epochs reach on the validation speakers."""
    runs = rows[rows["epoch"] <= epochs].groupby(KEY)
    scores = pd.DataFrame({"best UAR": runs["val_uar"].max(), "lowest loss": runs["val_loss"].min()})
    scores["UAR of the last five epochs"] = (
        rows[rows["epoch"].between(epochs - 4, epochs)].groupby(KEY)["val_uar"].mean()
    )
    return scores.groupby(["batch_size", "learning_rate"]).mean()


def main(path):
    """Do the runs that the file lacks, and print the summary."""
    rows = pd.read_csv(path, dtype={"validation_speaker": str}) if Path(path).exists() else pd.DataFrame(columns=KEY)
    for fold, (model, seed), (batch_size, rate, epochs) in product(FOLDS, CELLS, SETTINGS):
        cell = {"fold": fold, "model": model, "seed": seed, "batch_size": batch_size, "learning_rate": rate}
        if not (rows[KEY] == pd.Series(cell)).all(axis=1).any():
            rows = (
                pd.concat([rows, history(epochs, **cell)], ignore_index=True) if len(rows) else history(epochs, **cell)
            )
            rows.to_csv(path, index=False, float_format="%.6f")
    print(summary(rows).round(3))


if __name__ == "__main__":
    main(*sys.argv[1:])
