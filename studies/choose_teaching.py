"""Compare minibatches for preset `teaching` on EMO-DB's validation speakers. The test speakers are never predicted.

    SERMODULES_DATA=../shared/corpora python studies/choose_teaching.py results/teaching-choice.csv

Each setting trains for 20 epochs on the same folds, models and seeds; no study uses these seeds. The file has a row an epoch. A
run that is in it is not done again. `summary` says what was found.

The published file was made by an earlier version of this script at commit c64185f, with other work on the same two cores: its
``seconds`` are no timings.

The folds have five validation speakers, who are the test speakers of the other five folds: with ten speakers nobody is left
who is neither. So of a study's folds only 1, 3, 5, 7 and 9 test people that this choice has not seen.
"""

import sys
from itertools import product
from pathlib import Path

import pandas as pd

from sermodules import models, training
from sermodules.config import RunConfig

BATCH_SIZES = (40, 16)
CELLS = (("model1", 101), ("model2", 102))
FOLDS = (1, 3, 5, 7, 9)
KEY = ["fold", "model", "seed", "batch_size"]


def history(**cell):
    """Train one network for 20 epochs and return its history."""
    config = RunConfig.create(corpus="emodb", preset="teaching", epochs=20, patience=20, **cell)
    data = training.prepare(config)
    fitted = training.fit(models.build(config, len(data.classes)), data, config, report=False)
    return fitted.history.assign(**cell, validation_speaker=data.fold.validation, seconds=round(fitted.seconds, 1))


def summary(rows, epochs=15):
    """Return the mean over the runs, for each minibatch, of what the first epochs reach on the validation speakers."""
    runs = rows[rows["epoch"] <= epochs].groupby(KEY)
    scores = pd.DataFrame({"best UAR": runs["val_uar"].max(), "lowest loss": runs["val_loss"].min()})
    scores["UAR of the last five epochs"] = (
        rows[rows["epoch"].between(epochs - 4, epochs)].groupby(KEY)["val_uar"].mean()
    )
    return scores.groupby("batch_size").mean()


def main(path):
    """Do the runs that the file lacks, and print the summary."""
    rows = pd.read_csv(path, dtype={"validation_speaker": str}) if Path(path).exists() else pd.DataFrame(columns=KEY)
    for fold, (model, seed), batch_size in product(FOLDS, CELLS, BATCH_SIZES):
        cell = {"fold": fold, "model": model, "seed": seed, "batch_size": batch_size}
        if not (rows[KEY] == pd.Series(cell)).all(axis=1).any():
            rows = pd.concat([rows, history(**cell)], ignore_index=True) if len(rows) else history(**cell)
            rows.to_csv(path, index=False, float_format="%.6f")
    print(summary(rows).round(3))


if __name__ == "__main__":
    main(*sys.argv[1:])
